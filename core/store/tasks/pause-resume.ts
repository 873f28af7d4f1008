/**
 * Pauses and resumes tasks, active ⇄ paused. Each locks them and amends their staged runs in one transaction, several as
 * well as one, by the same statements. What ends in `In` is part of a larger transaction.
 */
import { sql } from "kysely";
import type { PauseReason, Task } from "../../contracts/task-output.ts";
import { decideDue } from "../../domain/catch-up.ts";
import { doesRepeat } from "../../domain/schedule/schedule.ts";
import type { SkippedInstants } from "../../domain/skipped.ts";
import { type BellhopError, conflict, messageOf } from "../../errors.ts";
import type { Store } from "../database.ts";
import { tellTasks } from "../events/record.ts";
import { recordSkipped } from "../runs/skip.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { type ChangedBy, recordChanges } from "./changes.ts";
import { toColumn, toNominal } from "./cursor.ts";
import { findSettled, recordExcluded } from "./exclusions.ts";
import { type LockedTask, lockTasks } from "./lock.ts";
import { findPassed, recordPassed, toExcluding, toSearch } from "./passed-instants.ts";
import {
  type EachTask,
  idsOf,
  type NextCursor,
  type NextState,
  saveStates,
  tellEach,
  theOne,
  toChanges,
} from "./save-states.ts";

const RESUMED = sql`, paused_at = NULL, paused_reason = NULL, failures_since = clock_timestamp()`;

/** Instants that were missed before the pause stay so: a pause is no request to catch up. */
export async function pauseTask(
  store: Store,
  namespaceId: string,
  taskId: string,
  now: Date,
  by?: ChangedBy,
): Promise<Task> {
  return await inTransaction(store.pool, (tx) => pauseTaskIn(tx, namespaceId, taskId, now, "requested", by));
}

/** The same, as a part of a transaction. */
export async function pauseTaskIn(
  tx: Transaction,
  namespaceId: string,
  taskId: string,
  now: Date,
  reason: PauseReason = "requested",
  by?: ChangedBy,
): Promise<Task> {
  return theOne(await pauseTasksIn(tx, namespaceId, [taskId], now, reason, by));
}

/** The same of several. One that is paused already stays as it is, but for what was taken back where the clock went back. */
export async function pauseTasksIn(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
  now: Date,
  reason: PauseReason = "requested",
  by?: ChangedBy,
): Promise<EachTask> {
  const locked = await lockTasks(tx, namespaceId, taskIds);
  const { active, paused, over } = byState(locked);
  await recordPassed(tx, active, now);
  const next = active.map((one) => ({
    ...{ task: one.task, state: "paused" as const },
    ...findComing(one, now),
  }));
  const pausedNow = await saveStates(tx, next, now, sql`, paused_at = ${now}, paused_reason = ${reason}`);
  const takenBack = paused.filter(({ isTakenBack }) => isTakenBack);
  const asTheyAre = takenBack.map((one) => ({
    ...{ task: one.task, state: "paused" as const },
    ...findStanding(one, now),
  }));
  const saved = [...(await saveStates(tx, asTheyAre, now)), ...pausedNow];
  await recordChanges(tx, toChanges(next, "paused", reason), now, by);
  await tellTasks(tx, "paused", idsOf(pausedNow));
  return tellEach(taskIds, locked, saved, refuseEach(over, "paused"));
}

function byState(locked: ReadonlyMap<string, LockedTask>) {
  const groups = Map.groupBy(locked.values(), ({ task: { state } }) =>
    state === "active" || state === "paused" ? state : "over",
  );
  return {
    active: groups.get("active") ?? [],
    paused: groups.get("paused") ?? [],
    over: groups.get("over") ?? [],
  };
}

function refuseEach(over: readonly LockedTask[], verb: "paused" | "resumed"): Map<string, BellhopError> {
  return new Map(over.map(({ task }) => [task.id, isOver(task, verb)]));
}

function isOver({ state }: Task, verb: "paused" | "resumed"): BellhopError {
  const what = state === "completed" ? "A task without a further occurrence" : `A ${state} task`;
  return conflict(`${what} cannot be ${verb}.`, `task_${state}`);
}

/** The cursor, moved on past `now` where the schedule repeats. */
function findComing({ task, findNext, cursor, offsetMs }: LockedTask, now: Date): NextCursor {
  const nominalNow = toNominal(now, offsetMs)!;
  if (!doesRepeat(task.schedule) || (cursor && cursor > nominalNow))
    return { next_run_at: toColumn(cursor, offsetMs) };
  try {
    return { next_run_at: toColumn(findNext(nominalNow), offsetMs) };
  } catch (error) {
    return { next_run_at: null, seek_from: nominalNow, seek_error: messageOf(error) };
  }
}

function resumeAt({ task }: LockedTask, cursor: NextCursor): NextState {
  const isOver = cursor.next_run_at === null && cursor.seek_from === undefined;
  return { task, state: isOver ? "completed" : "active", ...cursor };
}

/** The cursor of an active task as it stands; one that was not found is looked for anew. */
const findStanding = (one: LockedTask, now: Date): NextCursor =>
  one.cursor ? { next_run_at: toColumn(one.cursor, one.offsetMs) } : findComing(one, now);

/**
 * Repeating tasks go on at their next instant, or make up for what they slept through where they name a catch-up; one
 * that should have fired once meanwhile fires now. Runs that failed before do not count any more.
 */
export async function resumeTask(
  store: Store,
  namespaceId: string,
  taskId: string,
  now: Date,
  by?: ChangedBy,
): Promise<Task> {
  return await inTransaction(store.pool, async (tx) =>
    theOne(await resumeTasksIn(tx, namespaceId, [taskId], now, by)),
  );
}

/** The same of several, as a part of a transaction. One that is active stays so. */
export async function resumeTasksIn(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
  now: Date,
  by?: ChangedBy,
): Promise<EachTask> {
  const locked = await lockTasks(tx, namespaceId, taskIds);
  const { active, paused, over } = byState(locked);
  const asTheyAre = active.map((one) => resumeAt(one, findStanding(one, now)));
  const decided = paused.map((one) => ({ one, ...decideResume(one, now) }));
  const next = decided.map(({ one, cursor }) => resumeAt(one, cursor));
  const slept = decided.flatMap(({ one, skipped }) => (skipped ? [{ taskId: one.task.id, skipped }] : []));
  if (slept.length > 0) await recordSkipped(tx, slept);
  await recordExcluded(
    tx,
    decided.map(({ one, cursor, skipped }) => {
      const next = toNominal(cursor.next_run_at, one.offsetMs);
      const until = findSettled(next, toNominal(now, one.offsetMs)!, one.exclusion);
      return { ...toExcluding(one, until), isInterrupted: skipped !== undefined };
    }),
  );
  const resumed = await saveStates(tx, next, now, RESUMED);
  await tellTasks(tx, "resumed", idsOf(resumed));
  await tellTasks(
    tx,
    "completed",
    idsOf(next.flatMap(({ task, state }) => (state === "completed" ? [task] : []))),
  );
  const saved = [...(await saveStates(tx, asTheyAre, now)), ...resumed];
  await recordChanges(tx, toChanges(next, "resumed"), now, by);
  return tellEach(taskIds, locked, saved, refuseEach(over, "resumed"));
}

/** Where a task that was paused goes on, and what of its sleep does not fire any more. */
function decideResume(
  locked: LockedTask,
  now: Date,
): { cursor: NextCursor; skipped: SkippedInstants | undefined } {
  const { task, cursor, offsetMs } = locked;
  const { catchUp } = task.policy;
  const nominalNow = toNominal(now, offsetMs)!;
  if (catchUp === null || cursor === null || cursor > nominalNow)
    return { cursor: findComing(locked, now), skipped: findPassed(locked, now) };
  const { fires, passedOver } = decideDue(toSearch(locked), cursor, nominalNow, catchUp, "paused");
  const next = fires[0] ? { next_run_at: toColumn(fires[0], offsetMs) } : findComing(locked, now);
  return { cursor: next, skipped: passedOver };
}
