/**
 * A change of a task on the wire, as RFC 7396 has it: objects merge, null takes a field away (the contract then fills
 * its default in), everything else replaces what stands.
 */
import { expandSchedule, kindOfSchedule } from "../../core/contracts/task-schedule.ts";
import type { Json, JsonObject } from "../../core/json.ts";

/** `ownJsonField` holds JSON of the author's own: it is replaced whole, and a null in it is a value. */
export function mergePatch(
  definition: JsonObject,
  patch: JsonObject,
  ownJsonField: string | undefined,
): JsonObject {
  const merged = new Map(Object.entries(definition));
  for (const [field, value] of Object.entries(patch)) {
    if (field === ownJsonField) merged.set(field, value);
    else if (value === null) merged.delete(field);
    else merged.set(field, mergeField(field, merged.get(field), value));
  }
  return Object.fromEntries(merged);
}

function mergeField(field: string, standing: Json | undefined, given: Json): Json {
  if (field === "schedule") return mergeSchedule(standing, expandSchedule(given));
  if (field === "headers") return mergeHeaders(standing, given);
  return mergeValue(standing, given);
}

/** A schedule of another kind has nothing in common with the one that stands. */
function mergeSchedule(standing: Json | undefined, given: Json): Json {
  const kind = kindOfSchedule(given);
  const isOfOtherKind = kind !== undefined && kind !== kindOfSchedule(standing);
  return mergeValue(isOfOtherKind ? undefined : standing, given);
}

/** A header is the same one however its name is written. */
function mergeHeaders(standing: Json | undefined, given: Json): Json {
  if (!isObject(standing) || !isObject(given)) return mergeValue(standing, given);
  const named = new Set(Object.keys(given).map((name) => name.toLowerCase()));
  const kept = Object.entries(standing).filter(([name]) => !named.has(name.toLowerCase()));
  return mergeValue(Object.fromEntries(kept), given);
}

function mergeValue(standing: Json | undefined, given: Json): Json {
  if (!isObject(given)) return given;
  const merged = new Map(isObject(standing) ? Object.entries(standing) : []);
  for (const [field, value] of Object.entries(given)) {
    if (value === null) merged.delete(field);
    else merged.set(field, mergeValue(merged.get(field), value));
  }
  return Object.fromEntries(merged);
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
