/** Callbacks as an export has them: where they run tasks, they name those as it does. */
import { CALLBACK_EVENTS, type Callback, type CallbackEvent, type Callbacks } from "./callbacks.ts";

/** A callback that an export leaves out: the task that it runs is not in there. */
export interface LeftOut {
  /** As in `on.success.0`. */
  field: string;
  /** As the callback names it. */
  task: string;
}

/** The names of the tasks that these callbacks run. */
export const listNamedTasks = (on: Callbacks | null): string[] =>
  Object.values(on ?? {}).flatMap((callbacks) =>
    callbacks.flatMap((callback) => ("task" in callback ? [callback.task] : [])),
  );

/** @param keys of each task that is exported, by what callbacks name it: the key that it has in the export */
export function toExportedCallbacks(
  on: Callbacks | null,
  keys: ReadonlyMap<string, string>,
): { on: Callbacks | null; leftOut: LeftOut[] } {
  if (!on) return { on, leftOut: [] };
  const leftOut: LeftOut[] = [];
  const keep =
    (event: CallbackEvent) =>
    (callback: Callback, index: number): Callback[] => {
      if (!("task" in callback)) return [callback];
      const key = keys.get(callback.task);
      if (key !== undefined) return [{ task: key }];
      leftOut.push({ field: `on.${event}.${index}`, task: callback.task });
      return [];
    };
  const kept = CALLBACK_EVENTS.map((event) => [event, (on[event] ?? []).flatMap(keep(event))] as const);
  return { on: Object.fromEntries(kept.filter(([, callbacks]) => callbacks.length > 0)), leftOut };
}
