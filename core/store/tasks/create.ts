/** A new task; one without a schedule is made together with its run, in one statement. */
import type { TaskInput } from "../../contracts/task-input.ts";
import type { Task } from "../../contracts/task-output.ts";
import { placeInQueue } from "../../domain/limit-keys.ts";
import { type CalendarDates, excludesInstants } from "../../domain/schedule/exclusions.ts";
import { holdCalendarDates } from "../calendars/calendars.ts";
import type { QueryScope, Store } from "../database.ts";
import { tellCreated, toCreatedData } from "../events/record.ts";
import { recordAtBirth, toExpectationText } from "../expectations/record.ts";
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

const createText = (before: string, key: string, insertRun: string) => `
  WITH ${before} made AS (
    INSERT INTO tasks AS t (id, namespace_id, name, state, type, spec, function_id, schedule, anchor_at, next_run_at,
      policy, retry, timeout_ms, dead_letter, labels, created_at, updated_at, traceparent, on_end, created_by,
      jitter_offset_ms, runs_left, queue, limit_keys, priority, key)
    VALUES ($1, $2, $3, CASE WHEN $15::uuid IS NULL THEN 'active' ELSE 'completed' END, $4, $5, $6, $7, $8, $9, $10,
      $11, $12, $13, $14, $8, $8, $16, $17, $18, $20, $21, $22, $23, $24, ${key})
    RETURNING ${TASK_FACTS}
  ), ${tellCreated("$19")}, task AS (SELECT * FROM made WHERE $15::uuid IS NOT NULL)
  ${insertRun}`;

const INSERT_RUN = `${insertTaskRun("schedule", "$15", "$16")} RETURNING `;
const INSERT_PLAIN = `${INSERT_RUN} available_at AS "availableAt"`;
const insertExpected = (expectation: `$${number}`) => `
  , run AS (${INSERT_RUN} id, task_id, namespace_id, scheduled_for, available_at),
  expected AS (${recordAtBirth(expectation)}) SELECT available_at AS "availableAt" FROM run`;

const FREE_KEY = `freed AS (${freeKey("$2", "$25")} RETURNING t.id),`;
// The key is free before it is taken.
const FREED_KEY = "CASE WHEN (SELECT count(*) FROM freed) >= 0 THEN $25::text END";

const CREATE = { name: "create-task", text: createText("", "NULL", INSERT_PLAIN) };
const CREATE_EXPECTING = {
  name: "create-expecting-task",
  text: createText("", "NULL", insertExpected("$25")),
};
const CREATE_WITH_KEY = {
  name: "create-task-with-key",
  text: createText(FREE_KEY, FREED_KEY, INSERT_PLAIN),
};
const CREATE_EXPECTING_WITH_KEY = {
  name: "create-expecting-task-with-key",
  text: createText(FREE_KEY, FREED_KEY, insertExpected("$26")),
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
  if (!excludesInstants(given.input.schedule)) return await insertTask(store, given);
  return await inTransaction(store.pool, (tx) => createTaskIn(tx, given));
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

/** @param dates of the calendar that its schedule names */
async function insertTask(store: QueryScope, given: NewTask, dates?: CalendarDates): Promise<CreatedTask> {
  const { namespaceId, input, functionId = null, now, id = newId(), traceparent, by = null } = given;
  const runId = input.schedule.kind === "now" ? newId() : null;
  const nextRunAt = runId ? null : findFirst(input.schedule, now, dates);
  const cursor = beginColumns(input.schedule, id, nextRunAt);
  const policy = toPolicyColumns(input.policy);
  const place = placeInQueue(namespaceId, input.policy);
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
  const values = [
    id,
    namespaceId,
    input.name,
    input.spec.type,
    toSpecColumn(input.spec),
    functionId,
    toJsonText(input.schedule),
    now,
    cursor.next_run_at,
    policy.policy,
    policy.retry,
    policy.timeout_ms,
    policy.dead_letter,
    toJsonText(input.labels),
    runId,
    traceparent ?? null,
    input.on && toJsonText(input.on),
    by,
    toCreatedData(task),
    cursor.jitter_offset_ms,
    cursor.runs_left,
    place.queue,
    place.limitKeys,
    place.priority,
  ];
  const { key } = input;
  const { expect } = input.policy;
  const expected = runId && expect ? [toExpectationText(expect, input.schedule, now)] : [];
  const [plain, keyed] =
    expected.length > 0 ? [CREATE_EXPECTING, CREATE_EXPECTING_WITH_KEY] : [CREATE, CREATE_WITH_KEY];
  const insert = (statement: typeof CREATE, more: string[]) =>
    store.pool.query<{ availableAt: Date }>({ ...statement, values: [...values, ...more, ...expected] });
  const { rows } = key === null ? await insert(plain, []) : await takingKey(key, () => insert(keyed, [key]));
  return { task, run: runId ? { runId, availableAt: rows[0]!.availableAt, traceparent } : undefined };
}
