/** Runs that are made at once, on somebody's word: "run now" and invocations. */

import type { RunTarget } from "../../domain/run-target.ts";
import { conflict } from "../../errors.ts";
import type { Json } from "../../json.ts";
import type { QueryScope } from "../database.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { INSERT_INVOCATION, insertTaskRun, TASK_FACTS } from "./insert.ts";
import type { StagedRun } from "./staged-run.ts";

const RUN_NOW = `
  WITH asked AS (SELECT t.state, ${TASK_FACTS} FROM tasks t
    WHERE t.id = $1 AND t.namespace_id = $2 AND t.removed_at IS NULL FOR SHARE),
  task AS (SELECT * FROM asked WHERE state <> 'cancelled'),
  made AS (${insertTaskRun("manual", "$3", "$4")} RETURNING id)
  SELECT (SELECT id FROM made) AS "runId", statement_timestamp() AS "availableAt" FROM asked`;

const INVOKE = `${INSERT_INVOCATION} RETURNING available_at AS "availableAt"`;

/** A run of a task, besides its schedule. Undefined when the namespace has no such task; 409 when it is cancelled. */
export async function enqueueTaskRun(
  store: QueryScope,
  namespaceId: string,
  taskId: string,
  runId: string = newId(),
  traceparent?: string,
): Promise<StagedRun | undefined> {
  const { rows } = await store.pool.query<{ runId: string | null; availableAt: Date }>({
    name: "run-now",
    text: RUN_NOW,
    values: [taskId, namespaceId, runId, traceparent ?? null],
  });
  const row = rows[0];
  if (!row) return undefined;
  if (!row.runId) throw conflict("A cancelled task does not run any more.", "task_cancelled");
  return { runId: row.runId, availableAt: row.availableAt, traceparent };
}

export interface InvocationRequest {
  /** Made by the caller, so that it can listen for the end before the run exists. */
  runId: string;
  namespaceId: string;
  functionName: string;
  input: Json;
  timeoutMs: number;
  /** Whether somebody waits for the end and wants it announced. */
  awaited: boolean;
  /** A revision in place of the one the function's traffic gives. */
  target?: RunTarget | undefined;
  /** Default `invoke`; of the others the input is a stored request. */
  trigger?: "invoke" | "http" | "hook" | undefined;
  /** The request that asks (W3C). */
  traceparent?: string | undefined;
}

/** A run of a function without a task. Undefined when the namespace has no such function. */
export async function enqueueInvocation(
  store: QueryScope,
  request: InvocationRequest,
): Promise<StagedRun | undefined> {
  const { runId, namespaceId, functionName, timeoutMs, awaited, input, target, trigger = "invoke" } = request;
  const { traceparent } = request;
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
    ],
  });
  return rows[0] && { runId, availableAt: rows[0].availableAt, traceparent };
}
