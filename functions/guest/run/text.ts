/** Texts for people, cut to a size in bytes. */
import { describe } from "./describe.ts";
import { charCodeAt, isArray, keys, NativeError, stringify, toText } from "./primordials.ts";

/** How many leading characters of the text fit into so many bytes of UTF-8. */
export function fittingChars(text: string, bytes: number): number {
  const { length } = text;
  if (length * 3 <= bytes) return length;
  let used = 0;
  for (let i = 0; i < length; i++) {
    const code = charCodeAt(text, i);
    // Each half of a surrogate pair counts for two of its four bytes.
    used += code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 2 : 3;
    if (used > bytes) return i;
  }
  return length;
}

/** JSON of whatever it is; never throws. */
export function safeStringify(value: unknown): string {
  try {
    return stringify(value, replaceOddities) ?? toText(value);
  } catch (thrown) {
    return stringifyParts(value) ?? stringify({ __proto__: null, unreadable: describe(thrown).message });
  }
}

/** An object of which one property cannot be read, or leads back to itself, is told without that one. */
function stringifyParts(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || isArray(value)) return undefined;
  try {
    const names = keys(value);
    let json = "";
    for (let i = 0; i < names.length; i++) {
      const part = stringifyPart(value as Record<string, unknown>, names[i]!);
      if (part !== undefined) json += `${json === "" ? "" : ","}${stringify(names[i])}:${part}`;
    }
    return `{${json}}`;
  } catch {
    return undefined;
  }
}

function stringifyPart(value: Record<string, unknown>, name: string): string | undefined {
  try {
    return stringify(value[name], replaceOddities);
  } catch {
    return '"[unreadable]"';
  }
}

function replaceOddities(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return toText(value);
  return value instanceof NativeError ? describe(value) : value;
}

/** A value as a line of a log shows it. */
export function inspect(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null) {
    if (!(value instanceof NativeError)) return safeStringify(value);
    const { name, message, stack } = describe(value);
    return stack === "" ? `${name}: ${message}` : stack;
  }
  if (typeof value === "function") return "[function]";
  return toText(value);
}
