/**
 * A change of a task on the wire, as RFC 7396 has it: objects merge, null takes a field away (the contract then fills
 * its default in), everything else replaces what stands.
 */
import { isLocalTime } from "../../core/contracts/schedule-fields.ts";
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
  if (field === "retry") return mergeRetry(standing, given);
  // It is one of two: what is given takes the place of the other.
  if (field === "expect") return mergeValue(undefined, given);
  return mergeValue(standing, given);
}

/** A schedule of another kind has nothing in common with the one that stands. */
function mergeSchedule(standing: Json | undefined, given: Json): Json {
  const kind = kindOfSchedule(given);
  const isOfOtherKind = kind !== undefined && kind !== kindOfSchedule(standing);
  return mergeValue(isOfOtherKind || isInstant(given) ? undefined : standing, given);
}

/** It needs no timezone, not that of the local time which it replaces either. */
const isInstant = (schedule: Json) =>
  isObject(schedule) && typeof schedule["at"] === "string" && !isLocalTime(schedule["at"]);

/** Nor has a backoff of another kind. */
function mergeRetry(standing: Json | undefined, given: Json): Json {
  if (!isObject(standing) || !isObject(given)) return mergeValue(standing, given);
  const kind = kindOfBackoff(given["backoff"]);
  if (kind === undefined || kind === (kindOfBackoff(standing["backoff"]) ?? "exponential"))
    return mergeValue(standing, given);
  const { backoff: _ofOtherKind, ...others } = standing;
  return mergeValue(others, given);
}

/** As it is named; undefined where it is not. */
function kindOfBackoff(backoff: Json | undefined): Json | undefined {
  return isObject(backoff) ? (backoff["kind"] ?? undefined) : undefined;
}

/** The patch, its backoff by its kind, which may be the standing one's: what fields it may have hangs on that. */
export function nameBackoffKind(patch: JsonObject, merged: JsonObject): JsonObject {
  const { retry } = patch;
  const kind = isObject(merged["retry"]) ? kindOfBackoff(merged["retry"]["backoff"]) : undefined;
  if (kind === undefined || !isObject(retry) || !isObject(retry["backoff"])) return patch;
  return { ...patch, retry: { ...retry, backoff: { ...retry["backoff"], kind } } };
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
