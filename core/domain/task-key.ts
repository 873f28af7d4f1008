/** A task's key: a name of its caller's choosing, by which it is known beside its id. */

export const MAX_KEY_LENGTH = 128;
const KEY = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Paths of their own, beside those of tasks. */
const RESERVED: ReadonlySet<string> = new Set(["apply", "batch"]);

export const KEY_FORM = "a letter or digit, then letters, digits and . _ : -, 128 characters at most";

/** Names of other things look like keys. */
export const hasKeyForm = (text: string): boolean => KEY.test(text);

/** What is wrong with a key; undefined: nothing. */
export function findKeyFault(key: string): string | undefined {
  if (!hasKeyForm(key)) return `must be ${KEY_FORM}`;
  if (UUID.test(key)) return "must not be a UUID: that is what ids look like";
  if (RESERVED.has(key)) return `${JSON.stringify(key)} is reserved: choose another key`;
  return undefined;
}

/** The key of a task in an export: one without a key gets one made of its id, the same each time. */
export const exportedKey = ({ id, key }: { id: string; key: string | null }): string => key ?? `task-${id}`;
