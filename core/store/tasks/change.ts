/**
 * Changes of a task's state: each locks the task and amends its staged runs in one transaction. A task's states: active ⇄
 * paused, active → completed (no further occurrence), any but cancelled → cancelled, any → removed. A completed one is
 * shown as active while a run of it is open. What ends in `In` is part of a transaction that changes several. Another
 * definition is redefine.ts.
 */
import { sql, type Updateable } from "kysely";
import type { PauseReason, Task } from "../../contracts/task-output.ts";
import { nextOccurrence } from "../../domain/schedule/occurrences.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { countSkipped } from "../../domain/skipped.ts";
import { type BellhopError, conflict, notFound } from "../../errors.ts";
import type { Store } from "../database.ts";
import { isId } from "../ids.ts";
import { type Cancelled, cancelRuns } from "../runs/cancel.ts";
import { recordSkipped } from "../runs/skip.ts";
import type { Database } from "../schema.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { HAS_OPEN_RUN, toTask } from "./read.ts";

export interface LockedTask {
  task: Task;
  namespaceId: string;
  functionId: string | null;
  anchorAt: Date;
  /** The cursor, also of a paused task; staged occurrences that were taken back count again. */
  cursor: Date | null;
}

/** Locks the task and takes back what was staged ahead and is not due yet, as if it had never been staged. */
export async function lockTask(
  { db }: Transaction,
  namespaceId: string,
  taskId: string,
): Promise<LockedTask> {
  const row = isId(taskId)
    ? await db
        .selectFrom("tasks")
        .selectAll()
        .where("id", "=", taskId)
        .where("namespace_id", "=", namespaceId)
        .where("removed_at", "is", null)
        .forUpdate()
        .executeTakeFirst()
    : undefined;
  if (!row) throw notFound("task", taskId);
  const { rows: withdrawn } = await sql<{ at: Date }>`
    DELETE FROM task_runs_open
    WHERE task_id = ${taskId} AND state = 'queued' AND trigger = 'schedule' AND claim_no = 0
      AND available_at > clock_timestamp()
    RETURNING scheduled_for AS at`.execute(db);
  const instants = withdrawn.map(({ at }) => at.getTime());
  const cursor = instants.length > 0 ? new Date(Math.min(...instants)) : row.next_run_at;
  const state = row.state === "completed" && cursor ? "active" : row.state;
  return {
    task: toTask({ ...row, state, next_run_at: cursor }),
    ...{ namespaceId, functionId: row.function_id, anchorAt: row.anchor_at, cursor },
  };
}

/**
 * Instants that passed and do not fire any more, because no scheduler was there or the task was paused: that stands in
 * the books.
 */
export async function recordPassed(tx: Transaction, locked: LockedTask, now: Date): Promise<void> {
  const { task, anchorAt, cursor } = locked;
  if (cursor === null || (task.state !== "active" && task.state !== "paused")) return;
  const findNext = (after: Date) => nextOccurrence(task.schedule, anchorAt, after);
  // What fires once waits for whoever resumes it.
  if (findNext(cursor) === null) return;
  const skipped = countSkipped(findNext, task.state === "paused" ? "paused" : "missed", cursor, now);
  if (skipped) await recordSkipped(tx, [{ taskId: task.id, skipped }]);
}

async function saveState(
  { db }: Transaction,
  task: Task,
  state: Task["state"],
  nextRunAt: Date | null,
  now: Date,
  more: Updateable<Database["tasks"]> = {},
): Promise<Task> {
  const row = await db
    .updateTable("tasks")
    .set({ state, next_run_at: nextRunAt, updated_at: now, ...more })
    .where("id", "=", task.id)
    .returningAll()
    .returning(HAS_OPEN_RUN)
    .executeTakeFirstOrThrow();
  return toTask(row);
}

/** Instants that were missed before the pause stay so: a pause is no request to catch up. */
export async function pauseTask(store: Store, namespaceId: string, taskId: string, now: Date): Promise<Task> {
  return await inTransaction(store.pool, (tx) => pauseTaskIn(tx, namespaceId, taskId, now));
}

/** The same, as a part of a transaction. A task that is paused already stays as it is. */
export async function pauseTaskIn(
  tx: Transaction,
  namespaceId: string,
  taskId: string,
  now: Date,
  reason: PauseReason = "requested",
): Promise<Task> {
  const locked = await lockTask(tx, namespaceId, taskId);
  const { task, anchorAt, cursor } = locked;
  if (task.state === "paused") return task;
  if (task.state !== "active") throw isOver(task, "paused");
  await recordPassed(tx, locked, now);
  const next = toComing(task.schedule, anchorAt, cursor, now);
  const paused = { paused_at: now, paused_reason: reason };
  return await saveState(tx, task, "paused", next, now, paused);
}

function isOver({ state }: Task, verb: "paused" | "resumed"): BellhopError {
  const what = state === "completed" ? "A task without a further occurrence" : `A ${state} task`;
  return conflict(`${what} cannot be ${verb}.`, `task_${state}`);
}

/** The cursor, moved on past `now` where the schedule repeats. */
function toComing(schedule: Schedule, anchorAt: Date, cursor: Date | null, now: Date): Date | null {
  return cursor && cursor > now ? cursor : (nextOccurrence(schedule, anchorAt, now) ?? cursor);
}

/**
 * Repeating tasks go on at their next instant; one that should have fired meanwhile fires now. Runs that failed before
 * do not count any more.
 */
export async function resumeTask(
  store: Store,
  namespaceId: string,
  taskId: string,
  now: Date,
): Promise<Task> {
  return await inTransaction(store.pool, (tx) => resumeTaskIn(tx, namespaceId, taskId, now));
}

export async function resumeTaskIn(
  tx: Transaction,
  namespaceId: string,
  taskId: string,
  now: Date,
): Promise<Task> {
  const locked = await lockTask(tx, namespaceId, taskId);
  const { task, anchorAt, cursor } = locked;
  if (task.state === "active") return await saveState(tx, task, "active", cursor, now);
  if (task.state !== "paused") throw isOver(task, "resumed");
  await recordPassed(tx, locked, now);
  const next = toComing(task.schedule, anchorAt, cursor, now);
  const state = next ? "active" : "completed";
  const resumed = await saveState(tx, task, state, next, now, { paused_at: null, paused_reason: null });
  await sql`UPDATE tasks SET failures_since = clock_timestamp() WHERE id = ${taskId}`.execute(tx.db);
  return resumed;
}

/** Ends the task, its waiting runs with it; running ones are asked to stop. Cancelling twice is the same as once. */
export async function cancelTask(
  store: Store,
  namespaceId: string,
  taskId: string,
  now: Date,
): Promise<{ task: Task; runs: Cancelled }> {
  return await inTransaction(store.pool, (tx) => cancelTaskIn(tx, namespaceId, taskId, now));
}

export async function cancelTaskIn(
  tx: Transaction,
  namespaceId: string,
  taskId: string,
  now: Date,
): Promise<{ task: Task; runs: Cancelled }> {
  const locked = await lockTask(tx, namespaceId, taskId);
  const { task } = locked;
  await recordPassed(tx, locked, now);
  const runs = await cancelRuns(tx, namespaceId, { taskId });
  const done = task.state === "cancelled" ? task : await saveState(tx, task, "cancelled", null, now);
  return { task: done, runs };
}

/**
 * Ends the task like `cancelTask`, and it is not there any more. Its runs stay. The row goes at once, or, where a run is
 * still open and takes its task's policy, with the last of its runs.
 */
export async function removeTask(
  store: Store,
  namespaceId: string,
  taskId: string,
  now: Date,
): Promise<Cancelled> {
  return await inTransaction(store.pool, (tx) => removeTaskIn(tx, namespaceId, taskId, now));
}

export async function removeTaskIn(
  tx: Transaction,
  namespaceId: string,
  taskId: string,
  now: Date,
): Promise<Cancelled> {
  const { runs } = await cancelTaskIn(tx, namespaceId, taskId, now);
  const { rowCount } = await tx.pool.query(
    "DELETE FROM tasks WHERE id = $1 AND NOT EXISTS (SELECT FROM task_runs_open WHERE task_id = $1)",
    [taskId],
  );
  if (rowCount === 0) await tx.pool.query("UPDATE tasks SET removed_at = $2 WHERE id = $1", [taskId, now]);
  return runs;
}
