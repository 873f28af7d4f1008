/** Instants of a task that passed without firing: that stands in the books before the task changes. */
import { doesRepeat } from "../../domain/schedule/schedule.ts";
import { countSkipped, type FindNext, type SkippedInstants } from "../../domain/skipped.ts";
import { dueOfSkipped } from "../expectations/record.ts";
import { recordSkipped } from "../runs/skip.ts";
import type { Transaction } from "../transaction.ts";
import { toNominal } from "./cursor.ts";
import { recordExcluded } from "./exclusions.ts";
import type { LockedTask } from "./lock.ts";

/**
 * Instants that passed and do not fire any more, because no scheduler was there, the task was paused or its schedule
 * excludes them: that stands in the books.
 */
export async function recordPassed(tx: Transaction, locked: readonly LockedTask[], now: Date): Promise<void> {
  const passed = locked.flatMap((one) => {
    const skipped = findPassed(one, now);
    if (!skipped) return [];
    const { id: taskId, policy, schedule } = one.task;
    return [{ taskId, skipped, dueAt: dueOfSkipped(skipped, policy.expect, schedule) }];
  });
  if (passed.length > 0) await recordSkipped(tx, passed);
  const interrupted = new Set(passed.map(({ taskId }) => taskId));
  await recordExcluded(
    tx,
    locked.filter(isUnderWay).map((one) => ({
      ...toExcluding(one, toNominal(now, one.offsetMs)!),
      isInterrupted: interrupted.has(one.task.id),
    })),
  );
}

const isUnderWay = ({ task: { state } }: LockedTask) => state === "active" || state === "paused";

export const toExcluding = ({ task: { id, schedule }, anchorAt, exclusion }: LockedTask, until: Date) => ({
  ...{ id, schedule, anchorAt, exclusion, until },
});

export function findPassed(one: LockedTask, now: Date): SkippedInstants | undefined {
  const { task, cursor, offsetMs } = one;
  if (cursor === null || !isUnderWay(one)) return undefined;
  // What fires once waits for whoever resumes it.
  if (!doesRepeat(task.schedule)) return undefined;
  const reason = task.state === "paused" ? "paused" : "missed";
  return countSkipped(toSearch(one), reason, cursor, toNominal(now, offsetMs)!);
}

/** Where no further instant can be found, none is told of. */
export const toSearch =
  ({ findNext }: LockedTask): FindNext =>
  (after) => {
    try {
      return findNext(after);
    } catch {
      return null;
    }
  };
