import type { TaskSpec } from "./task-spec.ts";

/** A revision that a call or a task asks for by name, in place of the one the function's traffic would choose. */
export type RunTarget = { tag: string } | { revision: string };

/** What a task asks for, on each of its runs. */
export function targetOf(spec: TaskSpec): RunTarget | undefined {
  if (spec.type !== "function") return undefined;
  if (spec.tag !== undefined) return { tag: spec.tag };
  return spec.revision === undefined ? undefined : { revision: spec.revision };
}
