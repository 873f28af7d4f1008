/** What the overview makes of the API's answers. Pure. */
import type { Schemas } from "../../client/client.ts";

type Run = Schemas["Run"];
type Queue = Schemas["Queue"];
type Slice = Schemas["Activity"]["items"][number];

/** What charts draw: a list of values for each series, slice by slice. */
export interface Figures {
  /** Seconds since 1970, as the chart has it. */
  at: number[];
  succeeded: number[];
  failed: number[];
  other: number[];
  /** In seconds; null: no run began. */
  meanLateness: (number | null)[];
  maxLateness: (number | null)[];
  waiting: number[];
  running: number[];
  /** Null where nobody counted, or may see them. */
  workers: (number | null)[];
  slots: (number | null)[];
  busySlots: (number | null)[];
}

export function toFigures(items: readonly Slice[]): Figures {
  const each = <Value>(pick: (slice: Slice) => Value) => items.map(pick);
  return {
    at: each(({ at }) => Date.parse(at) / 1_000),
    succeeded: each(({ succeeded }) => succeeded),
    failed: each(({ failed }) => failed),
    other: each(({ other }) => other),
    meanLateness: each(({ lateness }) => lateness?.mean ?? null),
    maxLateness: each(({ lateness }) => lateness?.max ?? null),
    waiting: each(({ waiting }) => waiting),
    running: each(({ running }) => running),
    workers: each(({ workers }) => workers?.count ?? null),
    slots: each(({ workers }) => workers?.slots ?? null),
    busySlots: each(({ workers }) => workers?.busy ?? null),
  };
}

/** One drawn behind the other, series stand on each other. */
export const stack = (...lists: number[][]): number[] =>
  lists[0]!.map((_, index) => lists.reduce((sum, list) => sum + list[index]!, 0));

export interface FailingTask {
  taskId: string;
  name: string;
  failures: number;
}

/** The tasks of runs that failed, the worst first. */
export function findFailing(failed: readonly Run[], most = 5): FailingTask[] {
  const byTask = new Map<string, FailingTask>();
  for (const { taskId, function: name, type } of failed) {
    if (taskId === null) continue;
    const known = byTask.get(taskId) ?? { taskId, name: name ?? `${type} task`, failures: 0 };
    byTask.set(taskId, { ...known, failures: known.failures + 1 });
  }
  return [...byTask.values()].sort((a, b) => b.failures - a.failures).slice(0, most);
}

const LATE_MS = 60_000;

/** Queues that are not paused and whose oldest waiting run should have begun a minute ago. */
export const findLate = (queues: readonly Queue[], now: Date): Queue[] =>
  queues.filter(
    ({ paused, oldestWaitingAt }) =>
      !paused && oldestWaitingAt !== null && now.getTime() - Date.parse(oldestWaitingAt) > LATE_MS,
  );
