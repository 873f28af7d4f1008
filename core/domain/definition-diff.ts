/** How two definitions of a task differ, field by field, as the wire has them. */
import { isDeepStrictEqual } from "node:util";
import type { Json, JsonObject } from "../json.ts";
import { JsonSource } from "../json-source.ts";

export interface FieldChange {
  /** Dotted path: `retry.maxAttempts`. */
  field: string;
  /** Left out where the field was not there. */
  from?: Json;
  /** Left out where it is not there any more. */
  to?: Json;
  /** The values are too long to be shown, and left out. */
  truncated?: true;
}

/** Characters of JSON that a value is shown with at most. */
export const MAX_SHOWN_CHARS = 4_096;

/** The fields that are not the same in both, in the order of `to`, then those that are gone; `ownJsonField` is compared as a whole. */
export function diffDefinitions(
  from: JsonObject,
  to: JsonObject,
  ownJsonField: string | undefined,
): FieldChange[] {
  return diffObjects(from, to, "", ownJsonField).map(boundChange);
}

export const isOfSchedule = ({ field }: FieldChange): boolean =>
  field === "schedule" || field.startsWith("schedule.");

function diffObjects(
  from: JsonObject,
  to: JsonObject,
  path: string,
  ownJsonField?: string | undefined,
): FieldChange[] {
  const [before, after] = [new Map(Object.entries(from)), new Map(Object.entries(to))];
  return [...new Set([...after.keys(), ...before.keys()])].flatMap((name) => {
    const [old, now] = [before.get(name), after.get(name)];
    const field = path + name;
    const isPlain = name !== ownJsonField || path !== "";
    if (isPlain && isObject(old) && isObject(now)) return diffObjects(old, now, `${field}.`);
    if (isSame(old, now)) return [];
    return [
      { field, ...(old === undefined ? {} : { from: old }), ...(now === undefined ? {} : { to: now }) },
    ];
  });
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isSource(value);
}

const isSource = (value: unknown): value is JsonSource => value instanceof JsonSource;

/** JSON that is kept to the letter differs by its text. */
function isSame(old: Json | undefined, now: Json | undefined): boolean {
  if (isSource(old) && isSource(now)) return old.text === now.text;
  return isDeepStrictEqual(old, now);
}

function boundChange({ field, ...values }: FieldChange): FieldChange {
  const isLong = Object.values(values).some((value) => JSON.stringify(value).length > MAX_SHOWN_CHARS);
  return isLong ? { field, truncated: true } : { field, ...values };
}
