/**
 * A new task; one without a schedule is made together with its run, in one statement. Plain ones that are made at the same
 * moment share it, and its commit.
 */
import type { TaskInput } from "../../contracts/task-input.ts";
import type { Task } from "../../contracts/task-output.ts";
import { placeInQueue } from "../../domain/limit-keys.ts";
import { type CalendarDates, excludesInstants } from "../../domain/schedule/exclusions.ts";
import { holdCalendarDates } from "../calendars/calendars.ts";
import type { QueryScope, Store } from "../database.ts";
import { TELL_CREATED, toCreatedData } from "../events/record.ts";
import { recordAtBirth, toExpectationText } from "../expectations/record.ts";
import { createGatherer } from "../gather.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { insertTaskRun, TASK_FACTS } from "../runs/insert.ts";
import type { StagedRun } from "../runs/staged-run.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { beginColumns } from "./cursor.ts";
import { beginExclusion } from "./exclusions.ts";
import { findFirst } from "./first-instant.ts";
import { freeKey, takingKey } from "./keys.ts";
import { toPolicyColumns } from "./policy-columns.ts";
import { toSpecColumn } from "./spec-column.ts";

/** What is made, $1: a row of `tasks` each, with its run's id, where it has one at once, and what its event says. */
const GIVEN = `
  given AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1::json) AS g(id uuid, namespace_id uuid, name text, type text, spec jsonb,
      function_id uuid, schedule jsonb, made_at timestamptz, next_run_at timestamptz, policy jsonb, retry jsonb,
      timeout_ms int, dead_letter boolean, labels jsonb, run_id uuid, traceparent text, on_end jsonb, created_by uuid,
      told jsonb, jitter_offset_ms int, runs_left int, queue text, limit_keys text[], priority smallint)
  )`;

const createText = (before: string, key: string, insertRun: string) => `
  WITH ${GIVEN}, ${before} made AS (
    INSERT INTO tasks AS t (id, namespace_id, name, state, type, spec, function_id, schedule, anchor_at, next_run_at,
      policy, retry, timeout_ms, dead_letter, labels, created_at, updated_at, traceparent, on_end, created_by,
      jitter_offset_ms, runs_left, queue, limit_keys, priority, key)
    SELECT id, namespace_id, name, CASE WHEN run_id IS NULL THEN 'active' ELSE 'completed' END, type, spec, function_id,
      schedule, made_at, next_run_at, policy, retry, timeout_ms, dead_letter, labels, made_at, made_at, traceparent,
      on_end, created_by, jitter_offset_ms, runs_left, queue, limit_keys, priority, ${key}
    FROM given
    RETURNING ${TASK_FACTS}
  ), ${TELL_CREATED}, task AS (
    SELECT t.*, g.run_id, g.traceparent FROM given g JOIN made t ON t.id = g.id WHERE g.run_id IS NOT NULL
  )
  ${insertRun}`;

const INSERT_RUN = `${insertTaskRun("schedule", "t.run_id", "t.traceparent")} RETURNING `;
const INSERT_PLAIN = `${INSERT_RUN} available_at AS "availableAt"`;
const insertExpected = (expectation: `$${number}`) => `
  , run AS (${INSERT_RUN} id, task_id, namespace_id, scheduled_for, available_at),
  expected AS (${recordAtBirth(expectation)}) SELECT available_at AS "availableAt" FROM run`;

const FREE_KEY = `freed AS (${freeKey("$2", "$3")} RETURNING t.id),`;
// The key is free before it is taken.
const FREED_KEY = "CASE WHEN (SELECT count(*) FROM freed) >= 0 THEN $3::text END";

const CREATE = { name: "create-tasks", text: createText("", "NULL", INSERT_PLAIN) };
const CREATE_EXPECTING = {
  name: "create-expecting-task",
  text: createText("", "NULL", insertExpected("$2")),
};
const CREATE_WITH_KEY = {
  name: "create-task-with-key",
  text: createText(FREE_KEY, FREED_KEY, INSERT_PLAIN),
};
const CREATE_EXPECTING_WITH_KEY = {
  name: "create-expecting-task-with-key",
  text: createText(FREE_KEY, FREED_KEY, insertExpected("$4")),
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
}

/** 409 where its key is that of a task that is not over; 422 where it names a calendar that is not there. */
export async function createTask(store: Store, given: NewTask): Promise<CreatedTask> {
  const { schedule, key, policy } = given.input;
  if (excludesInstants(schedule)) return await inTransaction(store.pool, (tx) => createTaskIn(tx, given));
  // Whoever removes or changes a function holds those that name it: nobody else is to wait along.
  if (key !== null || policy.expect || given.functionId) return await insertTask(store, given);
  const { born, row } = beBorn(given);
  return toCreated(born, await insertTogether(store, row));
}

/** The same, as a part of a transaction. */
export async function createTaskIn(tx: Transaction, given: NewTask): Promise<CreatedTask> {
  const { namespaceId, now, input } = given;
  if (!excludesInstants(input.schedule)) return await insertTask(tx, given);
  const dates = await holdCalendarDates(tx, namespaceId, input.schedule);
  const created = await insertTask(tx, given, dates);
  await beginExclusion(tx, created.task.id, input.schedule, now);
  return created;
}

type InsertedRun = { availableAt: Date } | undefined;
/** Of the row of each; runs that are made by one statement are due by the same clock. */
const insertTogether = createGatherer<string, InsertedRun>({
  ...{ atOnce: 2, most: 100, mostWeight: 1_000_000 },
  weigh: (row) => row.length,
  async askAll({ pool }, rows) {
    const answer = await pool.query<{ availableAt: Date }>({ ...CREATE, values: [`[${rows.join(",")}]`] });
    return rows.map(() => answer.rows[0]);
  },
});

/** @param dates of the calendar that its schedule names */
async function insertTask(store: QueryScope, given: NewTask, dates?: CalendarDates): Promise<CreatedTask> {
  const { namespaceId, input, now } = given;
  const { born, row } = beBorn(given, dates);
  const { key } = input;
  const { expect } = input.policy;
  const expected = born.runId && expect ? [toExpectationText(expect, input.schedule, now)] : [];
  const [plain, keyed] =
    expected.length > 0 ? [CREATE_EXPECTING, CREATE_EXPECTING_WITH_KEY] : [CREATE, CREATE_WITH_KEY];
  const insert = (statement: typeof CREATE, more: string[]) =>
    store.pool.query<{ availableAt: Date }>({ ...statement, values: [`[${row}]`, ...more, ...expected] });
  const { rows } =
    key === null ? await insert(plain, []) : await takingKey(key, () => insert(keyed, [namespaceId, key]));
  return toCreated(born, rows[0]);
}

interface BornTask {
  task: Task;
  runId: string | null;
  traceparent: string | undefined;
}

/** A task as it is from now on, and its row for `GIVEN`. */
function beBorn(given: NewTask, dates?: CalendarDates): { born: BornTask; row: string } {
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
  const { policy, retry, ...columns } = toPolicyColumns(input.policy);
  const { next_run_at, jitter_offset_ms, runs_left } = beginColumns(input.schedule, id, nextRunAt);
  const { limitKeys, ...place } = placeInQueue(namespaceId, input.policy);
  const row = toRowText(
    {
      ...{ id, namespace_id: namespaceId, name: input.name, type: input.spec.type, function_id: functionId },
      ...{ made_at: now, run_id: runId, traceparent, created_by: by, labels: input.labels, on_end: input.on },
      ...{ schedule: input.schedule, ...columns, ...place, limit_keys: limitKeys },
      ...{ next_run_at, jitter_offset_ms, runs_left },
    },
    { spec: toSpecColumn(input.spec), policy, retry, told: toCreatedData(task) },
  );
  return { born: { task, runId, traceparent }, row };
}

/** An object's JSON text; `texts` are JSON already. */
function toRowText(values: object, texts: Record<string, string>): string {
  const members = Object.entries(texts).map(([name, text]) => `"${name}":${text}`);
  return `${toJsonText(values).slice(0, -1)},${members.join(",")}}`;
}

function toCreated({ task, runId, traceparent }: BornTask, inserted: InsertedRun): CreatedTask {
  return { task, run: runId ? { runId, availableAt: inserted!.availableAt, traceparent } : undefined };
}
