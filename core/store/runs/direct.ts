/**
 * Runs that a worker began without a claim: its caller handed them over. A short one is written once, when it has
 * ended; one that lasts, or whose function has a limit of runs at once, is written as running first and ends like any
 * other.
 */
import type pg from "pg";
import type { RunTrigger } from "../../domain/run-trigger.ts";
import type { Json } from "../../json.ts";
import type { Store } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import { inTransaction } from "../transaction.ts";
import { type FinishedAttempt, type FinishReport, LOGGED, toLogRows, toVerdictRow } from "./finish.ts";
import { lockRoom, RUNNING } from "./room.ts";

export interface DirectRun {
  id: string;
  namespaceId: string;
  functionId: string;
  revisionId: string;
  trigger: RunTrigger;
  input: Json;
  timeoutMs: number;
  /** Milliseconds since it began. */
  ageMs: number;
  /** The request that asked (W3C). */
  traceparent?: string | null | undefined;
}

const BEGAN = "clock_timestamp() - $8::float8 * interval '1 millisecond'";

const SHOW = `
  INSERT INTO task_runs_open (id, namespace_id, function_id, revision_id, type, trigger, state, claim_no, worker_id,
    scheduled_for, available_at, queued_at, started_at, timeout_ms, input, traceparent)
  SELECT $2, $3, $4, $5, 'function', $6, 'running', 1, $1, b.at, b.at, b.at, b.at, $7, $9, $10
  FROM (SELECT ${BEGAN} AS at) AS b`;

/** Makes the run visible as running, so that it can be seen, cancelled and rescued; its claim number is 1. */
export async function showDirectRun(store: Store, workerId: string, run: DirectRun): Promise<void> {
  await store.insertPool.query({ name: "show-direct-run", text: SHOW, values: toShowValues(workerId, run) });
}

function toShowValues(workerId: string, run: DirectRun): unknown[] {
  const { id, namespaceId, functionId, revisionId, trigger, timeoutMs, ageMs, input, traceparent } = run;
  return [
    workerId,
    id,
    namespaceId,
    functionId,
    revisionId,
    trigger,
    Math.round(timeoutMs),
    ageMs,
    toJsonText(input),
    traceparent ?? null,
  ];
}

const HAS_ROOM = `
  SELECT v.limits ->> 'concurrency' IS NULL OR ((v.limits ->> 'concurrency')::int > ${RUNNING}
      AND NOT EXISTS (SELECT FROM task_runs_open r WHERE r.function_id = f.id AND r.room IS NOT NULL)) AS free
  FROM functions f LEFT JOIN function_revisions v ON v.id = f.active_revision_id WHERE f.id = $1`;

/** The same where the function has room and no run waits for it; false: it has none, and nothing was written. */
export async function reserveDirectRun(store: Store, workerId: string, run: DirectRun): Promise<boolean> {
  return await inTransaction(store.pool, async (client) => {
    await lockRoom(client, [run.functionId]);
    const { rows } = await client.query<{ free: boolean }>({
      name: "has-room",
      text: HAS_ROOM,
      values: [run.functionId],
    });
    if (!rows[0]?.free) return false;
    await client.query({ name: "show-direct-run", text: SHOW, values: toShowValues(workerId, run) });
    return true;
  });
}

/** A run that has ended and was never visible before. */
export interface FinishedDirectRun extends FinishedAttempt {
  trigger: RunTrigger;
  input: Json;
  timeoutMs: number;
  durationMs: number;
  /** The request that asked (W3C). */
  traceparent?: string | null | undefined;
}

const ENDED = (guard: string) => `
  WITH ended AS MATERIALIZED (
    SELECT * FROM json_to_recordset($2::json) AS v(id uuid, namespace_id uuid, function_id uuid, revision_id uuid,
      trigger text, state text, timeout_ms int, duration_ms float8, traceparent text, input jsonb, result jsonb, error jsonb, record jsonb)
    ${guard}
  ), made AS (
    INSERT INTO task_runs (id, namespace_id, function_id, revision_id, type, trigger, state, claim_no, worker_id,
      scheduled_for, available_at, queued_at, started_at, finished_at, timeout_ms, traceparent, input, result, error,
      attempts)
    SELECT e.id, e.namespace_id, e.function_id, e.revision_id, 'function', e.trigger, e.state, 1, $1,
      b.at, b.at, b.at, b.at, statement_timestamp(), e.timeout_ms, e.traceparent, e.input, e.result, e.error,
      jsonb_build_array(e.record)
    FROM ended e,
      LATERAL (SELECT statement_timestamp() - e.duration_ms * interval '1 millisecond' AS at) AS b
    RETURNING id
  ), ${LOGGED("made")}
  SELECT id FROM made`;

const INSERT_ENDED = { name: "direct-ended", text: ENDED("") };
/** For those of which a statement before may have been committed, though its answer never came. */
const INSERT_MISSING = {
  name: "direct-ended-missing",
  text: ENDED("WHERE NOT EXISTS (SELECT FROM task_runs r WHERE r.id = v.id)"),
};

/** Writes runs that have ended, with their logs: one statement. */
export async function recordDirectRuns(
  store: Store,
  workerId: string,
  runs: FinishedDirectRun[],
  { isAgain }: { isAgain: boolean },
): Promise<FinishReport> {
  if (isAgain) await writeEnded(store.pool, INSERT_MISSING, workerId, runs);
  else await writeEnded(store.insertPool, INSERT_ENDED, workerId, runs);
  return { recorded: new Set(runs.map(({ runId }) => runId)), awaited: [] };
}

/** The same for runs that nobody may have recorded; answers those that were missing. */
export async function recordMissingRuns(
  store: Store,
  workerId: string,
  runs: FinishedDirectRun[],
): Promise<string[]> {
  return await writeEnded(store.pool, INSERT_MISSING, workerId, runs);
}

async function writeEnded(
  pool: pg.Pool,
  statement: { name: string; text: string },
  workerId: string,
  runs: FinishedDirectRun[],
): Promise<string[]> {
  const values = [workerId, toJsonText(runs.map(toEndedRow)), toJsonText(runs.flatMap(toLogRows))];
  const { rows } = await pool.query<{ id: string }>({ ...statement, values });
  return rows.map(({ id }) => id);
}

function toEndedRow(run: FinishedDirectRun) {
  const { namespaceId, functionId, trigger, timeoutMs, durationMs, input, traceparent } = run;
  return {
    ...toVerdictRow(run),
    namespace_id: namespaceId,
    function_id: functionId,
    trigger,
    timeout_ms: Math.round(timeoutMs),
    duration_ms: durationMs,
    traceparent,
    input,
  };
}
