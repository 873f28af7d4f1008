/**
 * Changes of a task: each locks the task and amends its staged runs in one transaction. A task's states: active ⇄
 * paused, active → completed (no further occurrence), any but cancelled → cancelled, any → removed. A completed one is
 * shown as active while a run of it is open. What ends in `In` is part of a transaction that changes several.
 */
import { sql, type Updateable } from "kysely";
import type { TaskInput } from "../../contracts/task-input.ts";
import type { PauseReason, Task } from "../../contracts/task-output.ts";
import { firstOccurrence, nextOccurrence } from "../../domain/schedule/occurrences.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { findMissed } from "../../domain/skipped.ts";
import { type BellhopError, conflict, notFound } from "../../errors.ts";
import type { QueryScope, Store } from "../database.ts";
import { isId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { functionKeys, GRANTED, givePermitsBack } from "../limits/permits.ts";
import { type Cancelled, cancelRuns } from "../runs/cancel.ts";
import { recordSkipped } from "../runs/skip.ts";
import type { Database } from "../schema.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { freeKey, takingKey } from "./keys.ts";
import { changedPolicy, toPolicyColumns } from "./policy-columns.ts";
import { HAS_OPEN_RUN, toTask } from "./read.ts";
import { toSpecColumn } from "./spec-column.ts";

interface LockedTask {
  task: Task;
  namespaceId: string;
  functionId: string | null;
  anchorAt: Date;
  /** The cursor, also of a paused task; staged occurrences that were taken back count again. */
  cursor: Date | null;
}

/** Locks the task and takes back what was staged ahead and is not due yet, as if it had never been staged. */
async function lockTask({ db }: Transaction, namespaceId: string, taskId: string): Promise<LockedTask> {
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

/** Instants that no scheduler was there for do not fire any more: that stands in the books. */
async function recordMissed(tx: Transaction, locked: LockedTask, now: Date): Promise<void> {
  const { task, anchorAt, cursor } = locked;
  if (task.state !== "active") return;
  const missed = findMissed(task.schedule, anchorAt, cursor, now);
  if (missed) await recordSkipped(tx, task.id, missed);
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
  await recordMissed(tx, locked, now);
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
  const { task, anchorAt, cursor } = await lockTask(tx, namespaceId, taskId);
  if (task.state === "active") return await saveState(tx, task, "active", cursor, now);
  if (task.state !== "paused") throw isOver(task, "resumed");
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
  await recordMissed(tx, locked, now);
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

export interface TaskChange {
  input: TaskInput;
  functionId: string | null;
  /** Whether the schedule is new: then its grid starts now. */
  reschedules: boolean;
}

/**
 * `decide` sees the task as it stands under the lock and returns what it should become, or throws. It reads through
 * `tx`: a second connection, asked for while the first is held, is how a pool locks itself up.
 */
export async function changeTask(
  store: Store,
  namespaceId: string,
  taskId: string,
  now: Date,
  decide: (task: Task, tx: QueryScope) => Promise<TaskChange>,
): Promise<Task> {
  return await inTransaction(store.pool, async (tx) => {
    const locked = await lockTask(tx, namespaceId, taskId);
    const { task, anchorAt, cursor } = locked;
    if (task.state === "cancelled") throw conflict("A cancelled task cannot be changed.", "task_cancelled");
    const { input, functionId, reschedules } = await decide(task, tx);
    if (reschedules) await recordMissed(tx, locked, now);
    const nextRunAt = reschedules ? firstOccurrence(input.schedule, now) : cursor;
    const state = reschedules && task.state === "completed" ? "active" : task.state;
    const columns = toPolicyColumns(input.policy);
    const takesKey = input.key !== null && input.key !== task.key;
    if (takesKey) await tx.pool.query(FREE_KEY, [namespaceId, input.key]);
    const update = tx.db
      .updateTable("tasks")
      .set({
        key: input.key,
        name: input.name,
        spec: toSpecColumn(input.spec),
        function_id: functionId,
        schedule: toJsonText(input.schedule),
        anchor_at: reschedules ? now : anchorAt,
        next_run_at: nextRunAt,
        state,
        ...columns,
        policy: changedPolicy(columns.policy),
        labels: toJsonText(input.labels),
        on_end: input.on && toJsonText(input.on),
        updated_at: now,
      })
      .where("id", "=", taskId)
      .returningAll()
      .returning(HAS_OPEN_RUN);
    const row = await (takesKey
      ? takingKey(input.key!, () => update.executeTakeFirstOrThrow())
      : update.executeTakeFirstOrThrow());
    await callOtherFunction(tx, taskId, functionId);
    return toTask(row);
  });
}

const FREE_KEY = freeKey("$1", "$2");

const HELD_OF_MOVED = sql.raw(`CASE WHEN ${GRANTED} THEN r.permits END`);
const PERMITS_BACK = sql.raw(givePermitsBack("moved"));

/** Runs that have not started stand in no line of the function they were to call, and hold none of its permits. */
async function callOtherFunction(
  { db }: Transaction,
  taskId: string,
  functionId: string | null,
): Promise<void> {
  await sql`
    WITH moved AS MATERIALIZED (
      SELECT r.id, ${HELD_OF_MOVED} AS permits FROM task_runs_open r
      WHERE r.task_id = ${taskId} AND r.function_id IS DISTINCT FROM ${functionId}::uuid
        AND r.state IN ('scheduled', 'queued', 'dead') FOR UPDATE
    ), ${PERMITS_BACK}
    UPDATE task_runs_open r SET function_id = m.function_id, limit_keys = ${sql.raw(functionKeys("m.function_id"))},
      permits = NULL, waiting_for = NULL, waiting_key = NULL, room = NULL
    FROM (SELECT id, ${functionId}::uuid AS function_id FROM moved) AS m WHERE r.id = m.id`.execute(db);
}
