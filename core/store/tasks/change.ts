/**
 * Changes of a task's state: each locks the task and amends its staged runs in one transaction. A task's states: active ⇄
 * paused, active → completed (no further occurrence), any but cancelled → cancelled, any → removed. A completed one is
 * shown as active while a run of it is open. Each is done to several tasks as to one, by the same statements. What ends in
 * `In` is part of a larger transaction. Another definition is redefine.ts.
 */
import { type RawBuilder, type Selectable, sql } from "kysely";
import type { PauseReason, Task } from "../../contracts/task-output.ts";
import { decideDue } from "../../domain/catch-up.ts";
import { doesRepeat } from "../../domain/schedule/schedule.ts";
import { countSkipped, type FindNext, type SkippedInstants } from "../../domain/skipped.ts";
import { BellhopError, conflict, messageOf, notFound } from "../../errors.ts";
import { byIndex } from "../by-index.ts";
import type { Store } from "../database.ts";
import { tellTasks } from "../events/record.ts";
import { dueOfSkipped } from "../expectations/record.ts";
import { toJsonText } from "../json-text.ts";
import { type Cancelled, cancelRuns } from "../runs/cancel.ts";
import { recordSkipped } from "../runs/skip.ts";
import type { Database } from "../schema.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { type ChangedBy, type NewChange, recordChanges } from "./changes.ts";
import { toColumn, toNominal } from "./cursor.ts";
import { findSettled, recordExcluded } from "./exclusions.ts";
import { hasOpenRun } from "./filter.ts";
import { type LockedTask, lockTasks } from "./lock.ts";
import { toTask } from "./read.ts";

type TaskRow = Selectable<Database["tasks"]>;

/** What became of each of several tasks, or why it was refused. */
export type EachTask = Map<string, Task | BellhopError>;

/** What each of several tasks became; one that is refused stops no other. */
export interface ChangedTasks {
  tasks: EachTask;
  /** Of all of them. */
  runs: Cancelled;
}

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

function findPassed(one: LockedTask, now: Date): SkippedInstants | undefined {
  const { task, cursor, offsetMs } = one;
  if (cursor === null || !isUnderWay(one)) return undefined;
  // What fires once waits for whoever resumes it.
  if (!doesRepeat(task.schedule)) return undefined;
  const reason = task.state === "paused" ? "paused" : "missed";
  return countSkipped(toSearch(one), reason, cursor, toNominal(now, offsetMs)!);
}

/** Where no further instant can be found, none is told of. */
const toSearch =
  ({ findNext }: LockedTask): FindNext =>
  (after) => {
    try {
      return findNext(after);
    } catch {
      return null;
    }
  };

/** What a cursor's columns become; see cursor.ts. */
export interface NextCursor {
  next_run_at: Date | null;
  seek_from?: Date;
  seek_error?: string;
}

/** What becomes of a locked task. */
interface NextState extends NextCursor {
  task: Task;
  state: Task["state"];
}

const NOTHING_MORE = sql``;
const RESUMED = sql`, paused_at = NULL, paused_reason = NULL, failures_since = clock_timestamp()`;

/** @param more further columns that are set */
async function saveStates(
  { db }: Transaction,
  next: readonly NextState[],
  now: Date,
  more: RawBuilder<unknown> = NOTHING_MORE,
): Promise<Task[]> {
  if (next.length === 0) return [];
  const given = next.map(({ task, ...columns }) => ({ id: task.id, ...columns }));
  const { rows } = await sql<TaskRow & { has_open_run: boolean }>`
    WITH changed AS (
      UPDATE tasks t SET state = s.state, next_run_at = s.next_run_at, seek_from = s.seek_from, seek_error = s.seek_error,
        updated_at = ${now} ${more}
      FROM json_to_recordset(${toJsonText(given)}::json) AS s(id uuid, state text, next_run_at timestamptz,
        seek_from timestamptz, seek_error text)
      WHERE ${sql.raw(byIndex("t.id", "s.id"))} RETURNING t.*
    ) SELECT r.*, ${hasOpenRun("r")} AS has_open_run FROM changed r`.execute(db);
  return rows.map(toTask);
}

/** Each of those that are asked for, by what was decided of it and what was saved. */
function tellEach(
  taskIds: readonly string[],
  locked: ReadonlyMap<string, LockedTask>,
  saved: readonly Task[],
  refused: ReadonlyMap<string, BellhopError> = new Map(),
): EachTask {
  const byId = new Map(saved.map((task) => [task.id, task]));
  return new Map(
    taskIds.map((id) => [
      id,
      refused.get(id) ?? byId.get(id) ?? locked.get(id)?.task ?? notFound("task", id),
    ]),
  );
}

const idsOf = (tasks: readonly Task[]) => tasks.map(({ id }) => id);

/** The only one; throws why it was refused. */
function theOne(tasks: EachTask): Task {
  const [task] = tasks.values();
  if (task instanceof BellhopError) throw task;
  return task!;
}

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

/** Ends the task, its waiting runs with it; running ones are asked to stop. Cancelling twice is the same as once. */
export async function cancelTask(
  store: Store,
  namespaceId: string,
  taskId: string,
  now: Date,
  by?: ChangedBy,
): Promise<{ task: Task; runs: Cancelled }> {
  return await inTransaction(store.pool, async (tx) => {
    const { tasks, runs } = await cancelTasksIn(tx, namespaceId, [taskId], now, by);
    return { task: theOne(tasks), runs };
  });
}

/** The same of several, as a part of a transaction. */
export async function cancelTasksIn(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
  now: Date,
  by?: ChangedBy,
): Promise<ChangedTasks> {
  const { next, ...changed } = await endTasks(tx, namespaceId, taskIds, now);
  await recordChanges(tx, toChanges(next, "cancelled"), now, by);
  return changed;
}

async function endTasks(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
  now: Date,
): Promise<ChangedTasks & { next: NextState[] }> {
  const locked = await lockTasks(tx, namespaceId, taskIds);
  const all = [...locked.values()];
  await recordPassed(tx, all, now);
  const runs = await cancelRuns(tx, namespaceId, { taskIds: [...locked.keys()] });
  const next = all
    .filter(({ task }) => task.state !== "cancelled")
    .map(({ task }) => ({ task, state: "cancelled" as const, next_run_at: null }));
  const cancelled = await saveStates(tx, next, now);
  await tellTasks(tx, "cancelled", idsOf(cancelled));
  return { tasks: tellEach(taskIds, locked, cancelled), runs, next };
}

const toChanges = (
  next: readonly NextState[],
  change: NewChange["change"],
  reason: PauseReason | null = null,
): NewChange[] => next.map(({ task }) => ({ taskId: task.id, change, reason }));

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
  return await inTransaction(store.pool, async (tx) => {
    const { tasks, runs } = await removeTasksIn(tx, namespaceId, [taskId], now);
    theOne(tasks);
    return runs;
  });
}

/** The same of several, as a part of a transaction; as they were when they were cancelled. */
export async function removeTasksIn(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
  now: Date,
): Promise<ChangedTasks> {
  const { ids, changed } = await endAndTell(tx, namespaceId, taskIds, now);
  // The rows that are deleted are not there for the update, which is of another statement.
  await tx.pool.query(REMOVE, [ids]);
  await tx.pool.query(HIDE, [ids, now]);
  return changed;
}

/** The same, except that their rows stay, so that what is theirs can still be found. */
export async function hideTasksIn(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
  now: Date,
): Promise<ChangedTasks> {
  const { ids, changed } = await endAndTell(tx, namespaceId, taskIds, now);
  await tx.pool.query(HIDE, [ids, now]);
  return changed;
}

async function endAndTell(tx: Transaction, namespaceId: string, taskIds: readonly string[], now: Date) {
  const { next: _goes, ...changed } = await endTasks(tx, namespaceId, taskIds, now);
  const ids = [...changed.tasks].flatMap(([id, task]) => (task instanceof BellhopError ? [] : [id]));
  await tellTasks(tx, "deleted", ids);
  return { ids, changed };
}

const HIDE = "UPDATE tasks SET removed_at = $2 WHERE id = ANY($1::uuid[])";

const REMOVE = `DELETE FROM tasks t WHERE t.id = ANY($1::uuid[])
  AND NOT EXISTS (SELECT FROM task_runs_open o WHERE o.task_id = t.id)`;
