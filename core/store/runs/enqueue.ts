/** Runs that are created at once, by request: "run now", invocations and replays. */

import { DEFAULT_PRIORITY, type PlacedRun, placeInQueue, type QueuePlace } from "../../domain/limit-keys.ts";
import type { RunTarget } from "../../domain/run-target.ts";
import type { RunTrigger } from "../../domain/run-trigger.ts";
import { taskCancelled } from "../../domain/task-cancelled.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import { unknownQueue } from "../../domain/unknown-queue.ts";
import type { Json } from "../../json.ts";
import type { QueryScope } from "../database.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import {
  INSERT_CALL_REPLAY,
  INSERT_INVOCATION,
  INSERT_TASK_REPLAY,
  insertCallbacks,
  insertTaskRun,
  TASK_FACTS,
} from "./insert.ts";
import { IS_QUEUE_THERE } from "./queue-there.ts";
import { STAGED, type StagedRun } from "./staged-run.ts";

/**
 * The task $1 of the namespace $2, as a CTE `task` for `insert`, which makes a run of it; not of a cancelled one, nor of one
 * that is over and whose queue was deleted since.
 */
export const ofTask = (insert: string, { facts = "", isRun = "", answer = "" } = {}) => `
  WITH asked AS (SELECT t.state, ${IS_QUEUE_THERE("t")} AS has_queue, ${TASK_FACTS} ${facts} FROM tasks t
    WHERE t.id = $1 AND t.namespace_id = $2 AND t.removed_at IS NULL FOR SHARE),
  task AS (SELECT * FROM asked WHERE state <> 'cancelled' AND has_queue ${isRun}),
  made AS (${insert} RETURNING id)
  SELECT (SELECT id FROM made) AS "runId", statement_timestamp() AS "availableAt",
    CASE WHEN state <> 'cancelled' AND NOT has_queue THEN queue END AS "missingQueue" ${answer} FROM asked`;

const INSERT_TASK_RUN = insertTaskRun("manual", "$3", "$4", { input: "$5" });
const RUN_NOW = { name: "run-now", text: ofTask(INSERT_TASK_RUN) };
const RUN_UNLESS_JOINING = {
  name: "run-unless-joining",
  text: ofTask(INSERT_TASK_RUN, {
    facts: ", t.policy ?| '{debounce,collect}' AS joins",
    isRun: "AND NOT joins",
    answer: `, state <> 'cancelled' AND joins AS "isJoining"`,
  }),
};
const REPLAY_TASK_RUN = { name: "replay-task-run", text: ofTask(INSERT_TASK_REPLAY) };

const INVOKE = `${INSERT_INVOCATION} RETURNING available_at AS "availableAt"`;
const REPLAY_CALL = {
  name: "replay-call",
  text: `${INSERT_CALL_REPLAY} RETURNING id AS "runId", available_at AS "availableAt"`,
};

const REPLAY_CALLBACK = {
  name: "replay-callback",
  text: `WITH r AS (${insertCallbacks("$1")} RETURNING id, available_at, traceparent) SELECT ${STAGED} FROM r`,
};

/**
 * A run of a task, besides its schedule. Undefined when the namespace has no such task; 409 when it is cancelled.
 * @param input as the row has it (`toGivenInput`); absent: the task's own
 */
export async function enqueueTaskRun(
  store: QueryScope,
  namespaceId: string,
  taskId: string,
  runId: string = newId(),
  traceparent?: string,
  input?: string,
): Promise<StagedRun | undefined> {
  return await enqueue(store, RUN_NOW, [taskId, namespaceId, runId, traceparent, input]);
}

/** The same, unless the task's runs become one with others (joins/): then none is made here. */
export async function enqueueUnlessJoining(
  store: QueryScope,
  namespaceId: string,
  taskId: string,
  runId: string,
  traceparent?: string,
  input?: string,
): Promise<StagedRun | "joins" | undefined> {
  const { rows } = await store.pool.query<EnqueuedRow & { isJoining: boolean }>({
    ...RUN_UNLESS_JOINING,
    values: [taskId, namespaceId, runId, traceparent ?? null, input ?? null],
  });
  return rows[0]?.isJoining && rows[0].missingQueue === null ? "joins" : toStagedRun(rows[0], traceparent);
}

type EnqueueValues = [
  ofId: string,
  namespaceId: string,
  runId: string,
  traceparent: string | undefined,
  ...unknown[],
];

async function enqueue(
  store: QueryScope,
  statement: { name: string; text: string },
  values: EnqueueValues,
): Promise<StagedRun | undefined> {
  const { rows } = await store.pool.query<EnqueuedRow>({
    ...statement,
    values: values.map((value) => value ?? null),
  });
  return toStagedRun(rows[0], values[3]);
}

/** As `ofTask` answers it: no run is of a cancelled task, or of a queue that is not there any more. */
type EnqueuedRow = { runId: string | null; availableAt: Date; missingQueue?: string | null };

function toStagedRun(row: EnqueuedRow | undefined, traceparent: string | undefined): StagedRun | undefined {
  if (!row) return undefined;
  if (row.missingQueue) throw unknownQueue(row.missingQueue);
  if (!row.runId) throw taskCancelled();
  return { runId: row.runId, availableAt: row.availableAt, traceparent };
}

export interface ReplayRequest {
  runId: string;
  namespaceId: string;
  /** The run that it replays. */
  replayOf: string;
  /** Whose run that is: a task's, a call of a function, or nobody's: a callback that sends. */
  of:
    | { taskId: string }
    | ({ functionId: string; timeoutMs: number; maxAttempts: number | null } & PlacedRun)
    | { sent: TaskType };
  trigger: RunTrigger;
  /** JSON text, as the row has it; null: a task's own. */
  input: string | null;
  target: RunTarget | undefined;
  /** The request that asks (W3C). */
  traceparent: string | undefined;
}

/** A run once more. Undefined when the task or the function is not there any more; 409 when the task is cancelled. */
export async function enqueueReplay(
  store: QueryScope,
  { runId, namespaceId, replayOf, of, trigger, input, target, traceparent }: ReplayRequest,
): Promise<StagedRun | undefined> {
  const rest = [trigger, input, target && toJsonText(target), replayOf];
  if ("taskId" in of)
    return await enqueue(store, REPLAY_TASK_RUN, [of.taskId, namespaceId, runId, traceparent, ...rest]);
  if ("sent" in of) {
    const row = `{"id":"${runId}","namespace_id":"${namespaceId}","type":"${of.sent}","replay_of":"${replayOf}","input":${input}}`;
    const { rows } = await store.pool.query<StagedRun>({ ...REPLAY_CALLBACK, values: [`[${row}]`] });
    return rows[0];
  }
  const timeoutMs = Math.round(of.timeoutMs);
  return await enqueue(store, REPLAY_CALL, [
    ...([of.functionId, namespaceId, runId, traceparent] as const),
    ...rest,
    timeoutMs,
    of.maxAttempts,
    of.queue,
    of.limitKeys,
    of.priority,
  ]);
}

export interface InvocationRequest {
  /** Made by the caller, so that it can listen for the end before the run exists. */
  runId: string;
  namespaceId: string;
  functionName: string;
  input: Json;
  timeoutMs: number;
  /** How often it is tried at most; default once. */
  maxAttempts?: number | undefined;
  /** Whether somebody waits for the end and wants it announced. */
  awaited: boolean;
  /** A revision in place of the one the function's traffic gives. */
  target?: RunTarget | undefined;
  /** Default `invoke`; of the others the input is a stored request. */
  trigger?: "invoke" | "http" | "hook" | undefined;
  /** The request that asks (W3C). */
  traceparent?: string | undefined;
  /** Default: the queue `default`, no key in it, and the default priority. */
  place?: QueuePlace | undefined;
}

/** A run of a function without a task. Undefined when the namespace has no such function. */
export async function enqueueInvocation(
  store: QueryScope,
  request: InvocationRequest,
): Promise<StagedRun | undefined> {
  const { runId, namespaceId, functionName, timeoutMs, awaited, input, target, trigger = "invoke" } = request;
  const { traceparent, maxAttempts = 1, place } = request;
  const {
    queue = null,
    limitKeys = null,
    priority = DEFAULT_PRIORITY,
  } = place ? placeInQueue(namespaceId, place) : {};
  const { rows } = await store.pool.query<{ availableAt: Date }>({
    name: "enqueue-invocation",
    text: INVOKE,
    values: [
      runId,
      namespaceId,
      functionName,
      timeoutMs,
      awaited,
      toJsonText(input),
      target ? toJsonText(target) : null,
      trigger,
      traceparent ?? null,
      maxAttempts === 1 ? null : maxAttempts,
      queue,
      limitKeys,
      priority,
    ],
  });
  return rows[0] && { runId, availableAt: rows[0].availableAt, traceparent };
}
