/** A task is given another definition: under its lock, with the runs that wait. */
import { sql } from "kysely";
import type { TaskInput } from "../../contracts/task-input.ts";
import { type Task, toTaskDefinition } from "../../contracts/task-output.ts";
import { OWN_JSON_FIELD } from "../../contracts/task-spec.ts";
import { diffDefinitions, type FieldChange, isOfSchedule } from "../../domain/definition-diff.ts";
import { placeInQueue } from "../../domain/limit-keys.ts";
import { excludesInstants } from "../../domain/schedule/exclusions.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { conflict } from "../../errors.ts";
import { holdCalendarDates } from "../calendars/calendars.ts";
import type { QueryScope, Store } from "../database.ts";
import { tellTasks } from "../events/record.ts";
import { toJsonText } from "../json-text.ts";
import { GRANTED, givePermitsBack, impliedKeys, NAMED_KEYS } from "../limits/permits.ts";
import { isHeld } from "../runs/held.ts";
import { LIMIT_KEYS_OF_TASK } from "../runs/insert.ts";
import { renewRuns } from "../runs/renew.ts";
import type { StagedRun } from "../runs/staged-run.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { type ChangedBy, recordChanges } from "./changes.ts";
import { beginColumns, toColumn } from "./cursor.ts";
import { beginExclusion, endExclusion } from "./exclusions.ts";
import { findFirst } from "./first-instant.ts";
import { freeKey, takingKey } from "./keys.ts";
import { type LockedTask, lockTask } from "./lock.ts";
import { recordPassed } from "./passed-instants.ts";
import { changedPolicy, toPolicyColumns } from "./policy-columns.ts";
import { HAS_OPEN_RUN, toTask } from "./read.ts";
import { toSpecColumn } from "./spec-column.ts";

export interface TaskChange {
  input: TaskInput;
  functionId: string | null;
  /** Whether the schedule is new: then its grid starts at `now`. */
  reschedules: boolean;
  /**
   * What the time is under the lock, where that is another one than before: whoever waited for the lock must not begin a
   * schedule in the past, for what fired meanwhile would fire again.
   */
  now?: Date;
}

export interface ChangedTask {
  task: Task;
  /** Queued runs of it: to be rung. */
  waiting: StagedRun[];
}

/**
 * `decide` sees the task as it stands under the lock and returns what it should become, or throws. It reads through
 * `tx`: a second connection, asked for while the first is held, is how a pool locks itself up. From the commit on no run
 * begins with the definition that was.
 */
export async function changeTask(
  store: Store,
  namespaceId: string,
  taskId: string,
  now: Date,
  decide: (task: Task, tx: QueryScope, isStoredCompleted: boolean) => Promise<TaskChange>,
  by?: ChangedBy,
): Promise<ChangedTask> {
  return await inTransaction(store.pool, (tx) => changeTaskIn(tx, namespaceId, taskId, now, decide, by));
}

/** The same, as a part of a transaction. */
export async function changeTaskIn(
  tx: Transaction,
  namespaceId: string,
  taskId: string,
  askedAt: Date,
  decide: (task: Task, tx: Transaction, isStoredCompleted: boolean) => Promise<TaskChange>,
  by?: ChangedBy,
): Promise<ChangedTask> {
  const locked = await lockTask(tx, namespaceId, taskId);
  const { task } = locked;
  if (task.state === "cancelled") throw conflict("A cancelled task cannot be changed.", "task_cancelled");
  const change = await decide(task, tx, locked.isStoredCompleted);
  const { now = askedAt } = change;
  if (change.reschedules) await recordPassed(tx, [locked], now);
  const { key } = change.input;
  const save = () => saveDefinition(tx, locked, change, now);
  const changed = await (key === null || key === task.key ? save() : takeKey(tx, namespaceId, key, save));
  await moveWaitingRuns(tx, taskId);
  const diff = tellDiff(task, change);
  if (diff.length > 0) {
    await recordChanges(tx, [{ taskId, change: "changed", diff }], now, by);
    await tellTasks(tx, "changed", [taskId]);
  }
  return { task: changed, waiting: await renewRuns(tx, taskId) };
}

/** A schedule that begins anew is told of, also where it is the same. */
function tellDiff(task: Task, { input, reschedules }: TaskChange): FieldChange[] {
  const [from, to] = [toTaskDefinition(task), toTaskDefinition(input)];
  const diff = diffDefinitions(from, to, OWN_JSON_FIELD[input.spec.type]);
  if (!reschedules || diff.some(isOfSchedule)) return diff;
  const { schedule = null } = to;
  return [...diff, { field: "schedule", from: schedule, to: schedule }];
}

async function takeKey<T>(
  tx: Transaction,
  namespaceId: string,
  key: string,
  take: () => Promise<T>,
): Promise<T> {
  await tx.pool.query(freeKey("$1", "$2"), [namespaceId, key]);
  return await takingKey(key, take);
}

async function saveDefinition(
  tx: Transaction,
  { task, namespaceId, anchorAt, cursor, offsetMs }: LockedTask,
  { input, functionId, reschedules }: TaskChange,
  now: Date,
): Promise<Task> {
  const columns = toPolicyColumns(input.policy);
  const { queue, limitKeys, priority } = placeInQueue(task.namespaceId, input.policy);
  const first = reschedules ? await beginSchedule(tx, namespaceId, task, input.schedule, now) : null;
  const row = await tx.db
    .updateTable("tasks")
    .set({
      key: input.key,
      name: input.name,
      spec: toSpecColumn(input.spec),
      function_id: functionId,
      schedule: toJsonText(input.schedule),
      anchor_at: reschedules ? now : anchorAt,
      ...(reschedules
        ? beginColumns(input.schedule, task.id, first)
        : { next_run_at: toColumn(cursor, offsetMs) }),
      state: reschedules && task.state === "completed" ? "active" : task.state,
      ...columns,
      policy: changedPolicy(columns.policy),
      ...{ queue, limit_keys: limitKeys, priority },
      labels: toJsonText(input.labels),
      on_end: input.on && toJsonText(input.on),
      updated_at: now,
    })
    .where("id", "=", task.id)
    .returningAll()
    .returning(HAS_OPEN_RUN)
    .executeTakeFirstOrThrow();
  return toTask(row);
}

/** Its first instant. */
async function beginSchedule(
  tx: Transaction,
  namespaceId: string,
  task: Task,
  schedule: Schedule,
  now: Date,
): Promise<Date | null> {
  const dates = await holdCalendarDates(tx, namespaceId, schedule);
  if (excludesInstants(schedule)) await beginExclusion(tx, task.id, schedule, now);
  else if (excludesInstants(task.schedule)) await endExclusion(tx, task.id);
  return findFirst(schedule, now, dates);
}

const HELD_OF_MOVED = sql.raw(`CASE WHEN ${GRANTED} THEN r.permits END`);
const PERMITS_BACK = sql.raw(givePermitsBack("moved"));

/** A run that waits for others of its task goes on waiting. */
const ofHeld = (column: string) => sql.raw(`CASE WHEN ${isHeld("r")} THEN r.${column} END`);

const LIMIT_KEYS_SQL = sql.raw(LIMIT_KEYS_OF_TASK);
const KEYS_OF_RUN = sql.raw(NAMED_KEYS);
const KEYS_OF_TASK = sql.raw(`coalesce(${LIMIT_KEYS_OF_TASK}, ${impliedKeys("t")})`);

/**
 * Runs that have not started stand in no line of the function they were to call, or of the queue they were in, and hold
 * none of their permits.
 */
async function moveWaitingRuns({ db }: Transaction, taskId: string): Promise<void> {
  await sql`
    WITH moved AS MATERIALIZED (
      SELECT r.id, ${HELD_OF_MOVED} AS permits, t.function_id, t.queue, t.priority, ${LIMIT_KEYS_SQL} AS limit_keys
      FROM tasks t JOIN task_runs_open r ON r.task_id = t.id
      WHERE t.id = ${taskId} AND r.state IN ('scheduled', 'queued', 'dead')
        AND (r.function_id IS DISTINCT FROM t.function_id OR ${KEYS_OF_RUN} IS DISTINCT FROM ${KEYS_OF_TASK}
          OR r.priority <> t.priority)
      FOR UPDATE OF r
    ), ${PERMITS_BACK}
    UPDATE task_runs_open r SET function_id = m.function_id, queue = m.queue, limit_keys = m.limit_keys, priority = m.priority,
      permits = NULL, turn = NULL, waiting_for = ${ofHeld("waiting_for")}, waiting_key = ${ofHeld("waiting_key")},
      room = ${ofHeld("room")}
    FROM moved m WHERE r.id = m.id`.execute(db);
}
