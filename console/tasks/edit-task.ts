/** What of a task may be changed, and what a change comes to, as a merge patch (RFC 7396). Pure. */
import type { Schemas } from "../../client/client.ts";

type FieldChange = Schemas["FieldChange"];
type Fields = Record<string, unknown>;

/** What it is, or what changes by itself. */
const FIXED = new Set([
  ...["id", "state", "type", "nextRunAt", "createdAt", "updatedAt"],
  ...["pausedAt", "pausedReason", "scheduleError", "key"],
]);

export const toEditable = (task: Fields): Fields =>
  Object.fromEntries(Object.entries(task).filter(([name, value]) => !FIXED.has(name) && value !== null));

const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A field that is left out is null in the patch; one that is there in both and is an object is patched inside. */
export function patchOf(before: Fields, after: Fields): Fields {
  const patch: Fields = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [from, to] = [before[name], after[name]];
    if (isSame(from, to)) continue;
    patch[name] = to === undefined ? null : isFields(from) && isFields(to) ? patchOf(from, to) : to;
  }
  return patch;
}

export function diffTask(before: Fields, after: Fields): { patch: Fields; diff: FieldChange[] } {
  const patch = patchOf(before, after);
  const diff = Object.keys(patch).map((field) => ({ field, from: before[field], to: after[field] }));
  return { patch, diff };
}
