/** Runs that calls join before their instant: how they are created, and changed while they wait. */
import { DEFAULT_PRIORITY, placeInQueue } from "../../domain/limit-keys.ts";
import { taskCancelled } from "../../domain/task-cancelled.ts";
import { notFound } from "../../errors.ts";
import type { Collected, CollectedRuns, Debounced, DebouncedRuns } from "../joins/join.ts";
import { toJsonText } from "../json-text.ts";
import type { Transaction } from "../transaction.ts";
import { unindexed } from "../unindexed.ts";
import { type InvocationRequest, ofTask } from "./enqueue.ts";
import { INSERT_JOINABLE_INVOCATION, INSERT_JOINABLE_TASK_RUN, ofQueue } from "./insert.ts";
import type { StagedRun } from "./staged-run.ts";

/**
 * It has never been claimed, and cannot be yet; where the clock went back, one that stands in a line, or was called from
 * it, has had its instant.
 */
const IS_OPEN = `${unindexed("r.state")} = 'queued' AND r.claim_no = 0 AND r.waiting_key IS NULL
  AND r.available_at > statement_timestamp()`;

/** Whether the run is still open. */
async function changeRun(tx: Transaction, name: string, text: string, values: unknown[]): Promise<boolean> {
  return (await tx.pool.query({ name, text, values })).rowCount === 1;
}

/** What a call says of its run, its input apart. */
export type JoiningInvocation = Omit<InvocationRequest, "runId" | "input" | "awaited">;

/** As `INSERT_INVOCATION` has them, from the target on. */
function toColumns(request: JoiningInvocation): unknown[] {
  const { namespaceId, target, trigger = "invoke", traceparent, maxAttempts = 1, place } = request;
  const {
    queue = null,
    limitKeys = null,
    priority = DEFAULT_PRIORITY,
  } = place ? placeInQueue(namespaceId, place) : {};
  return [
    target ? toJsonText(target) : null,
    trigger,
    traceparent ?? null,
    maxAttempts === 1 ? null : maxAttempts,
    queue,
    limitKeys,
    priority,
  ];
}

async function insertInvocation(
  tx: Transaction,
  { runId, availableAt }: StagedRun,
  call: JoiningInvocation,
  input: string,
): Promise<void> {
  const { namespaceId, functionName, timeoutMs } = call;
  const { rowCount } = await tx.pool.query({
    name: "enqueue-joinable-invocation",
    text: INSERT_JOINABLE_INVOCATION,
    values: [runId, namespaceId, functionName, timeoutMs, false, input, ...toColumns(call), availableAt],
  });
  if (rowCount === 0) throw notFound("function", functionName);
}

const APPEND_TO_INVOCATION = `UPDATE task_runs_open r SET input = r.input || $2::jsonb,
    scheduled_for = coalesce($3, r.scheduled_for), available_at = coalesce($3, r.available_at)
  WHERE r.id = $1 AND ${IS_OPEN}`;

export const COLLECTED_INVOCATIONS: CollectedRuns<Collected<JoiningInvocation>> = {
  insert: insertInvocation,
  append: (tx, runId, inputs, dueAt) =>
    changeRun(tx, "append-to-invocation", APPEND_TO_INVOCATION, [runId, inputs, dueAt ?? null]),
};

const REPLACE_INVOCATION = `UPDATE task_runs_open r SET scheduled_for = $2, available_at = $2, timeout_ms = $3, input = $4,
    target = $5, trigger = $6, traceparent = $7, max_attempts = $8, queue = $9,
    limit_keys = ${ofQueue("r.function_id", "$10")}, priority = $11
  WHERE r.id = $1 AND ${IS_OPEN}`;

export const DEBOUNCED_INVOCATIONS: DebouncedRuns<Debounced<JoiningInvocation>> = {
  insert: (tx, run, call) => insertInvocation(tx, run, call, call.input),
  replace(tx, { runId, availableAt }, call) {
    const values = [runId, availableAt, call.timeoutMs, call.input, ...toColumns(call)];
    return changeRun(tx, "replace-invocation", REPLACE_INVOCATION, values);
  },
};

/** A run of a task on somebody's word. */
export interface JoiningTaskRun {
  namespaceId: string;
  taskId: string;
  traceparent?: string | undefined;
}

/**
 * A change of the task puts its waiting runs into the table anew: who waited for it at the run would find it gone, and
 * open another.
 */
async function holdTask({ pool }: Transaction, { namespaceId, taskId }: JoiningTaskRun): Promise<void> {
  const text = "SELECT FROM tasks WHERE id = $1 AND namespace_id = $2 FOR SHARE";
  await pool.query({ name: "hold-joined-task", text, values: [taskId, namespaceId] });
}

const RUN_SOON = { name: "run-soon", text: ofTask(INSERT_JOINABLE_TASK_RUN) };

async function insertTaskRun(
  tx: Transaction,
  { runId, availableAt, traceparent }: StagedRun,
  { namespaceId, taskId }: JoiningTaskRun,
  input: string | null,
): Promise<void> {
  const { rows } = await tx.pool.query<{ runId: string | null }>({
    ...RUN_SOON,
    values: [taskId, namespaceId, runId, traceparent ?? null, input, availableAt],
  });
  if (!rows[0]) throw notFound("task", taskId);
  if (!rows[0].runId) throw taskCancelled();
}

const APPEND_TO_TASK_RUN = `UPDATE task_runs_open r
  SET input = jsonb_set(r.input, '{input}', (r.input -> 'input') || $2::jsonb),
    scheduled_for = coalesce($3, r.scheduled_for), available_at = coalesce($3, r.available_at)
  WHERE r.id = $1 AND ${IS_OPEN}`;

export const COLLECTED_TASK_RUNS: CollectedRuns<Collected<JoiningTaskRun>> = {
  hold: holdTask,
  insert: (tx, run, first, inputs) => insertTaskRun(tx, run, first, `{"input":${inputs}}`),
  append: (tx, runId, inputs, dueAt) =>
    changeRun(tx, "append-to-task-run", APPEND_TO_TASK_RUN, [runId, inputs, dueAt ?? null]),
};

const REPLACE_TASK_RUN = `UPDATE task_runs_open r SET scheduled_for = $2, available_at = $2, input = $3, traceparent = $4
  WHERE r.id = $1 AND ${IS_OPEN}`;

/** Their input is what they are given in place of their task's own, as the row has it; null: that. */
export const DEBOUNCED_TASK_RUNS: DebouncedRuns<Debounced<JoiningTaskRun, string | null>> = {
  hold: holdTask,
  insert: (tx, run, call) => insertTaskRun(tx, run, call, call.input),
  replace: (tx, { runId, availableAt, traceparent }, call) =>
    changeRun(tx, "replace-task-run", REPLACE_TASK_RUN, [
      runId,
      availableAt,
      call.input,
      traceparent ?? null,
    ]),
};
