/** running → next attempt, or the end: runs whose worker's lease ran out. */
import { sql } from "kysely";
import type { AttemptRecord } from "../../contracts/run.ts";
import { CALL_POLICY, readPolicy, type TaskPolicy } from "../../contracts/task-policy.ts";
import { type AttemptOutcome, WORKER_LOST } from "../../domain/attempt.ts";
import { decideVerdict } from "../../domain/retry.ts";
import { askServer, type LeaseJudge } from "../contact.ts";
import type { Store } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import { returnPermits } from "../limits/return-permits.ts";
import { STORED_POLICY } from "../tasks/policy-columns.ts";
import { inTransaction } from "../transaction.ts";
import { moveEnded } from "./move-ended.ts";
import { recordEndedNow } from "./row-time.ts";

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
  claim_no: number;
  attempt: number;
  attempt_offset: number;
  started_at: Date;
  worker_id: string;
  cancel_requested_at: Date | null;
  awaited: boolean;
  permits: string[] | null;
  /** Null for a call. */
  policy: Partial<TaskPolicy> | null;
}

/**
 * Takes up to `limit` runs of workers that are gone and decides each as a failed attempt. Leases are compared with the
 * instant at which `judge` was asked, in the same transaction: a database that stands still from then on makes no
 * living worker look lost.
 */
export async function rescueLostRuns(
  store: Store,
  now: Date,
  judge: LeaseJudge,
  limit: number,
): Promise<Rescue[]> {
  return await inTransaction(store.leasePool, async ({ db: tx, pool }) => {
    const word = await askServer(tx);
    if (!judge.mayJudge(word)) return [];
    const { rows: lost } = await sql<LostRun>`
      SELECT r.id, r.claim_no, r.task_id, r.namespace_id, r.attempt, r.attempt_offset, r.started_at, r.worker_id,
        r.cancel_requested_at, r.awaited, r.permits,
        ${sql.raw(STORED_POLICY)} AS policy
      FROM task_runs_open r LEFT JOIN tasks t ON t.id = r.task_id
      WHERE r.state = 'running'
        AND NOT EXISTS (SELECT FROM workers w
          WHERE w.id = r.worker_id AND w.lease_until > ${word.exactAt}::timestamptz)
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
          claim_no: run.claim_no,
          state: verdict.state,
          available_at: verdict.state === "scheduled" ? verdict.availableAt : null,
          error: "error" in verdict ? verdict.error : null,
          record: toRecord(run, now),
        })),
      );
      await (open ? keepOpen(rows) : moveTerminal(rows)).execute(tx);
    }
    await returnPermits(
      { pool },
      lost.map(({ permits }) => permits),
    );
    return decided.map(({ run, verdict }) => ({
      runId: run.id,
      taskId: run.task_id,
      namespaceId: run.namespace_id,
      state: verdict.state as Rescue["state"],
      awaited: run.awaited,
    }));
  });
}

const LOST: AttemptOutcome = { kind: "failed", error: WORKER_LOST, retryable: true };

function decideLost(run: LostRun, now: Date) {
  const policy = run.policy ? readPolicy(run.policy) : CALL_POLICY;
  const facts = { ...policy, attempt: run.attempt - run.attempt_offset };
  return decideVerdict(run.cancel_requested_at ? { kind: "cancelled" } : LOST, facts, now);
}

function toRecord(run: LostRun, now: Date): AttemptRecord {
  return {
    attempt: run.attempt,
    workerId: run.worker_id,
    startedAt: run.started_at.toISOString(),
    finishedAt: now.toISOString(),
    error: WORKER_LOST,
  };
}

const rowsOf = (json: string) => sql`json_to_recordset(${json}::json) AS v(id uuid, claim_no int, state text,
  available_at timestamptz, error jsonb, record jsonb)`;

// The claim number moves on, so that a worker that only slept cannot finish what was taken from it.
const keepOpen = (json: string) => sql`
  UPDATE task_runs_open r SET state = v.state, error = v.error, attempts = r.attempts || (${sql.raw(recordEndedNow("v.record", "r.started_at"))}),
    claim_no = r.claim_no + 1, attempt = r.attempt + (v.state = 'scheduled')::int,
    available_at = coalesce(v.available_at, r.available_at),
    dead_at = CASE WHEN v.state = 'dead' THEN clock_timestamp() END
  FROM ${rowsOf(json)} WHERE r.id = v.id AND r.claim_no = v.claim_no`;

const MOVE_LOST = sql.raw(
  moveEnded({ state: "g.end_state", error: "g.end_error", attempts: "g.attempts || g.end_record" }),
);

const moveTerminal = (json: string) => sql`
  WITH v AS MATERIALIZED (SELECT * FROM ${rowsOf(json)}),
  gone AS (
    DELETE FROM task_runs_open r USING v WHERE r.id = v.id AND r.claim_no = v.claim_no
    RETURNING r.*, v.state AS end_state, v.error AS end_error,
      ${sql.raw(recordEndedNow("v.record", "r.started_at"))} AS end_record
  ) ${MOVE_LOST}`;
