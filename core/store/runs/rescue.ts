/** running → next attempt, or the end: runs whose worker's lease ran out. */
import { sql } from "kysely";
import type { AttemptRecord } from "../../contracts/run.ts";
import { failed } from "../../domain/attempt.ts";
import { decideVerdict, type RetryPolicy } from "../../domain/retry.ts";
import type { Db } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import { MOVED_COLUMNS, MOVED_FROM_GONE } from "./moved-columns.ts";

export interface Rescue {
  runId: string;
  taskId: string | null;
  namespaceId: string;
  state: "scheduled" | "dead" | "failed" | "cancelled";
  awaited: boolean;
}

interface LostRun {
  id: string;
  task_id: string | null;
  namespace_id: string;
  attempt: number;
  attempt_offset: number;
  started_at: Date;
  worker_id: string;
  cancel_requested_at: Date | null;
  awaited: boolean;
  retry: RetryPolicy | null;
  dead_letter: boolean | null;
}

const NO_RETRY: RetryPolicy = {
  maxAttempts: 1,
  backoff: { initialMs: 0, factor: 1, maxMs: 0, jitter: false },
};

/**
 * Takes up to `limit` runs of workers that are gone and decides each as a failed attempt. Nothing is rescued until
 * the database itself has been up for one lease: after its outage every lease looks expired.
 */
export async function rescueLostRuns(db: Db, now: Date, leaseMs: number, limit: number): Promise<Rescue[]> {
  return await db.transaction().execute(async (tx) => {
    const { rows: lost } = await sql<LostRun>`
      SELECT r.id, r.task_id, r.namespace_id, r.attempt, r.attempt_offset, r.started_at, r.worker_id,
        r.cancel_requested_at, r.awaited, t.retry, t.dead_letter
      FROM task_runs_open r LEFT JOIN tasks t ON t.id = r.task_id
      WHERE r.state = 'running'
        AND NOT EXISTS (SELECT FROM workers w WHERE w.id = r.worker_id AND w.lease_until > clock_timestamp())
        AND pg_postmaster_start_time() < clock_timestamp() - ${leaseMs}::int * interval '1 millisecond'
      LIMIT ${limit} FOR UPDATE OF r SKIP LOCKED`.execute(tx);
    const decided = lost.map((run) => ({ run, verdict: decideLost(run, now) }));
    for (const open of [true, false]) {
      const part = decided.filter(
        ({ verdict }) => (verdict.state === "scheduled" || verdict.state === "dead") === open,
      );
      if (part.length === 0) continue;
      const rows = toJsonText(
        part.map(({ run, verdict }) => ({
          id: run.id,
          state: verdict.state,
          available_at: verdict.state === "scheduled" ? verdict.availableAt : null,
          error: "error" in verdict ? verdict.error : null,
          record: toRecord(run, now),
        })),
      );
      await (open ? keepOpen(rows) : moveTerminal(rows)).execute(tx);
    }
    return decided.map(({ run, verdict }) => ({
      runId: run.id,
      taskId: run.task_id,
      namespaceId: run.namespace_id,
      state: verdict.state as Rescue["state"],
      awaited: run.awaited,
    }));
  });
}

function decideLost(run: LostRun, now: Date) {
  const outcome = run.cancel_requested_at ? ({ kind: "cancelled" } as const) : lostOutcome();
  const facts = {
    attempt: run.attempt - run.attempt_offset,
    retry: run.retry ?? NO_RETRY,
    deadLetter: run.dead_letter ?? false,
  };
  return decideVerdict(outcome, facts, now);
}

function lostOutcome() {
  return failed("worker_lost", "The worker that ran this attempt stopped answering; its lease ran out.", {
    retryable: true,
  });
}

function toRecord(run: LostRun, now: Date): AttemptRecord {
  const outcome = lostOutcome();
  return {
    attempt: run.attempt,
    workerId: run.worker_id,
    startedAt: run.started_at.toISOString(),
    finishedAt: now.toISOString(),
    error: outcome.kind === "failed" ? outcome.error : null,
  };
}

const rowsOf = (json: string) => sql`json_to_recordset(${json}::json) AS v(id uuid, state text,
  available_at timestamptz, error jsonb, record jsonb)`;

// The claim number moves on, so that a worker that only slept cannot finish what was taken from it.
const keepOpen = (json: string) => sql`
  UPDATE task_runs_open r SET state = v.state, error = v.error, attempts = r.attempts || v.record,
    claim_no = r.claim_no + 1, attempt = r.attempt + (v.state = 'scheduled')::int,
    available_at = coalesce(v.available_at, r.available_at),
    dead_at = CASE WHEN v.state = 'dead' THEN clock_timestamp() END
  FROM ${rowsOf(json)} WHERE r.id = v.id`;

const moveTerminal = (json: string) => sql`
  WITH v AS MATERIALIZED (SELECT * FROM ${rowsOf(json)}),
  gone AS (DELETE FROM task_runs_open r USING v WHERE r.id = v.id RETURNING r.*)
  INSERT INTO task_runs (${sql.raw(MOVED_COLUMNS)}, revision_id, result, finished_at, state, error, attempts)
  SELECT ${sql.raw(MOVED_FROM_GONE)}, g.revision_id, g.result, clock_timestamp(), v.state, v.error,
    g.attempts || v.record
  FROM gone g JOIN v ON v.id = g.id`;
