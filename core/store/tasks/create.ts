/**
 * A new task; one without a schedule is made together with its run, in one statement. Those that are made at the same moment
 * share it, and its commit, but for what choose-insert.ts says.
 */
import type { TaskInput } from "../../contracts/task-input.ts";
import type { Task } from "../../contracts/task-output.ts";
import { type CalendarDates, excludesInstants } from "../../domain/schedule/exclusions.ts";
import { holdCalendarDates } from "../calendars/calendars.ts";
import type { QueryScope, Store } from "../database.ts";
import { TELL_CREATED } from "../events/record.ts";
import { recordAtBirth, toExpectationText } from "../expectations/record.ts";
import { createGatherer } from "../gather.ts";
import { newId } from "../ids.ts";
import { insertTaskRun } from "../runs/insert.ts";
import type { StagedRun } from "../runs/staged-run.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { createWaits, type Waits } from "../waits.ts";
import { chooseInsert } from "./choose-insert.ts";
import { beginExclusion } from "./exclusions.ts";
import { findFirst } from "./first-instant.ts";
import { freeKey, takingKey } from "./keys.ts";
import { afterNewRows, NEW_ROWS, type NewRow, toNewRowValues, toRow, toShape, weighRow } from "./new-row.ts";

/** What is made. */
const GIVEN = `given AS MATERIALIZED (${NEW_ROWS})`;

/** The same without tasks of functions whose rows somebody holds, who removes them or gives them other traffic. */
const GIVEN_FREE = `
  asked AS MATERIALIZED (${NEW_ROWS}),
  held AS MATERIALIZED (
    SELECT f.id FROM functions f WHERE f.id = ANY (ARRAY(SELECT a.function_id FROM asked a))
    FOR KEY SHARE SKIP LOCKED
  ),
  given AS MATERIALIZED (
    SELECT * FROM asked a WHERE a.function_id IS NULL OR a.function_id IN (SELECT h.id FROM held h)
  )`;

/**
 * Nobody reads `made`, so PostgreSQL runs the main part first: runs are written before the rows of their tasks. Nothing sees
 * the one without the other, and foreign keys are checked at the end of the statement.
 */
const createText = (given: string, key: string, insertRun: string) => `
  WITH ${given}, made AS (
    INSERT INTO tasks (id, namespace_id, name, state, type, spec, function_id, schedule, anchor_at, next_run_at,
      policy, retry, timeout_ms, dead_letter, labels, created_at, updated_at, traceparent, on_end, created_by,
      jitter_offset_ms, runs_left, queue, limit_keys, priority, key)
    SELECT id, namespace_id, name, CASE WHEN run_id IS NULL THEN 'active' ELSE 'completed' END, type, spec, function_id,
      schedule, made_at, next_run_at, policy, retry, timeout_ms, dead_letter, labels, made_at, made_at, traceparent,
      on_end, created_by, jitter_offset_ms, runs_left, queue, limit_keys, priority, ${key}
    FROM given
  ), ${TELL_CREATED}, task AS (SELECT * FROM given WHERE run_id IS NOT NULL)
  ${insertRun}`;

const INSERT_RUN = `${insertTaskRun("schedule", "t.run_id", "t.traceparent")} RETURNING `;
const INSERT_PLAIN = `${INSERT_RUN} available_at AS "availableAt"`;
const insertExpected = (expectation: `$${number}`) => `
  , run AS (${INSERT_RUN} id, task_id, namespace_id, scheduled_for, available_at),
  expected AS (${recordAtBirth(expectation)}) SELECT available_at AS "availableAt" FROM run`;
const INSERT_FREE = `
  , run AS (${INSERT_RUN} available_at)
  SELECT (SELECT available_at FROM run LIMIT 1) AS "availableAt",
    ARRAY(SELECT id FROM asked EXCEPT SELECT id FROM given) AS "leftIds"`;

const [NAMESPACE, KEY] = [afterNewRows(1), afterNewRows(2)];
const FREE_KEY = `${GIVEN}, freed AS (${freeKey(NAMESPACE, KEY)} RETURNING t.id)`;
// The key is free before it is taken.
const FREED_KEY = `CASE WHEN (SELECT count(*) FROM freed) >= 0 THEN ${KEY}::text END`;

const CREATE = { name: "create-tasks", text: createText(GIVEN, "NULL", INSERT_PLAIN) };
const CREATE_FREE = {
  name: "create-tasks-of-functions",
  text: createText(GIVEN_FREE, "NULL", INSERT_FREE),
};
const CREATE_EXPECTING = {
  name: "create-expecting-task",
  text: createText(GIVEN, "NULL", insertExpected(afterNewRows(1))),
};
const CREATE_WITH_KEY = {
  name: "create-task-with-key",
  text: createText(FREE_KEY, FREED_KEY, INSERT_PLAIN),
};
const CREATE_EXPECTING_WITH_KEY = {
  name: "create-expecting-task-with-key",
  text: createText(FREE_KEY, FREED_KEY, insertExpected(afterNewRows(3))),
};

export interface CreatedTask {
  task: Task;
  /** The run of a task without a schedule: to be rung. */
  run: StagedRun | undefined;
}

export interface NewTask {
  namespaceId: string;
  input: TaskInput;
  /** The function its runs call; null or left out: it is of another type. */
  functionId?: string | null;
  now: Date;
  /** Left out, one is made. */
  id?: string;
  /** The request that makes it (W3C). */
  traceparent?: string | undefined;
  /** The key of who makes it. */
  by?: string | null;
  /** The same request makes many. */
  isOfMany?: boolean;
}

/** 409 where its key is that of a task that is not over; 422 where it names a calendar that is not there. */
export async function createTask(store: Store, given: NewTask): Promise<CreatedTask> {
  const way = chooseInsert(given.input);
  if (way === "transaction") return await inTransaction(store.pool, (tx) => createTaskIn(tx, given));
  const born = beBorn(given);
  if (way === "alone") return await insertAlone(store, given, born);
  const inserted = await (given.isOfMany ? insertMany : insertTogether)(store, born);
  return toCreated(born, inserted === LEFT ? await insertLeft(store, born) : inserted);
}

/** The same, as a part of a transaction. */
export async function createTaskIn(tx: Transaction, given: NewTask): Promise<CreatedTask> {
  const { namespaceId, now, input } = given;
  if (!excludesInstants(input.schedule)) return await insertAlone(tx, given, beBorn(given));
  const dates = await holdCalendarDates(tx, namespaceId, input.schedule);
  const created = await insertAlone(tx, given, beBorn(given, dates));
  await beginExclusion(tx, created.task.id, input.schedule, now);
  return created;
}

/** A run that is made with its task. */
type InsertedRun = { availableAt: Date } | undefined;
/** It was not made: somebody holds its function's row, and nobody else is to wait along. */
const LEFT = Symbol("left");

const WEIGHT = {
  mostWeight: 1_000_000,
  weigh: ({ row, shape }: BornTask) => weighRow(row) + shape.length,
};
const MOST = 100;
/** Of those that one request makes by the thousand: what a statement costs before its first row is shared by as many. */
const MOST_OF_MANY = 500;

/** The plan of its statement is kept. */
type MakingScope = Pick<Store, "db" | "pool" | "plannedPool">;

/** Of both kinds together as many statements are under way as there are connections that keep plans (`PLANNED_CONNECTIONS`). */
const createInserts = (settings: { most: number; waits?: Waits }) =>
  createGatherer<BornTask, InsertedRun | typeof LEFT, MakingScope>({
    ...{ ...WEIGHT, ...settings, atOnce: 2 },
    askAll: (scope, born) =>
      born.some(({ functionId }) => functionId !== null)
        ? insertFree(scope, born)
        : insertAll(scope.plannedPool, born),
  });

const waitsOfMany = createWaits();
/** How long who waits longest to be made, of those that are one of many, has waited; 0: nobody waits. */
export const longestWaitOfManyMs = (): number => waitsOfMany.longestMs();

/**
 * Who makes one task does not wait behind those who make a thousand, nor is refused because those wait: their statements may
 * wait for a row that somebody holds.
 */
const insertTogether = createInserts({ most: MOST });
const insertMany = createInserts({ most: MOST_OF_MANY, waits: waitsOfMany });

/** They wait for their function's row with one connection, and not with one of the few that keep plans. */
const insertLeft = createGatherer<BornTask, InsertedRun>({
  ...{ ...WEIGHT, most: MOST, atOnce: 1 },
  laneOf: ({ functionId }) => functionId ?? "",
  askAll: ({ pool }, born) => insertAll(pool, born),
});

/** Runs that are made by one statement are due by the same clock. */
async function insertAll(pool: QueryScope["pool"], born: readonly BornTask[]): Promise<InsertedRun[]> {
  const { rows } = await pool.query<{ availableAt: Date }>({ ...CREATE, values: toNewRowValues(born) });
  return born.map(() => rows[0]);
}

async function insertFree({ plannedPool }: MakingScope, born: readonly BornTask[]) {
  const { rows } = await plannedPool.query<{ availableAt: Date; leftIds: string[] }>({
    ...CREATE_FREE,
    values: toNewRowValues(born),
  });
  const { availableAt, leftIds } = rows[0]!;
  const left = new Set(leftIds);
  return born.map(({ task }) => (left.has(task.id) ? LEFT : { availableAt }));
}

async function insertAlone(
  store: QueryScope,
  { namespaceId, input, now }: NewTask,
  born: BornTask,
): Promise<CreatedTask> {
  const { key } = input;
  const { expect } = input.policy;
  const expected = born.runId && expect ? [toExpectationText(expect, input.schedule, now)] : [];
  const [plain, keyed] =
    expected.length > 0 ? [CREATE_EXPECTING, CREATE_EXPECTING_WITH_KEY] : [CREATE, CREATE_WITH_KEY];
  const insert = (statement: typeof CREATE, more: string[]) =>
    store.pool.query<{ availableAt: Date }>({
      ...statement,
      values: [...toNewRowValues([born]), ...more, ...expected],
    });
  const { rows } =
    key === null ? await insert(plain, []) : await takingKey(key, () => insert(keyed, [namespaceId, key]));
  return toCreated(born, rows[0]);
}

interface BornTask {
  task: Task;
  functionId: string | null;
  runId: string | null;
  traceparent: string | undefined;
  /** What it has in common with others stands apart (new-row.ts). */
  row: NewRow;
  shape: string;
}

/**
 * A task as it is from now on.
 * @param dates of the calendar that its schedule names
 */
function beBorn(given: NewTask, dates?: CalendarDates): BornTask {
  const { namespaceId, input, functionId = null, now, id = newId(), traceparent, by = null } = given;
  const runId = input.schedule.kind === "now" ? newId() : null;
  const nextRunAt = runId ? null : findFirst(input.schedule, now, dates);
  const task: Task = {
    ...input,
    id,
    namespaceId,
    // Where it has no schedule, its run is open.
    state: "active",
    nextRunAt,
    scheduleError: null,
    pausedAt: null,
    pausedReason: null,
    createdAt: now,
    updatedAt: now,
  };
  const facts = { functionId, runId, traceparent };
  return { task, ...facts, row: toRow(task, facts), shape: toShape(task, by) };
}

function toCreated({ task, runId, traceparent }: BornTask, inserted: InsertedRun): CreatedTask {
  return { task, run: runId ? { runId, availableAt: inserted!.availableAt, traceparent } : undefined };
}
