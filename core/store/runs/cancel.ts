/** Cancelling: what waits ends at once, what runs is asked to stop. */
import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database.ts";

export interface Cancelled {
  /** Ended by this call. */
  ended: string[];
  /** Running: their workers were asked. */
  asked: string[];
}

/** Cancels open runs of one namespace: one run, or all of a task. Dead letters are left to redrive and discard. */
export async function cancelRuns(
  db: Db,
  namespaceId: string,
  which: { runId: string } | { taskId: string },
): Promise<Cancelled> {
  const match = "runId" in which ? sql`r.id = ${which.runId}` : sql`r.task_id = ${which.taskId}`;
  const { rows: ended } = await moveOpenRuns(
    sql`${match} AND r.namespace_id = ${namespaceId} AND r.state IN ('scheduled', 'queued')`,
    "cancelled",
  ).execute(db);
  const { rows: asked } = await sql<{ id: string }>`
    UPDATE task_runs_open r SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
    WHERE ${match} AND r.namespace_id = ${namespaceId} AND r.state = 'running' RETURNING r.id`.execute(db);
  return { ended: ended.map(({ id }) => id), asked: asked.map(({ id }) => id) };
}

/** dead → failed: the dead letter is not wanted any more. */
export async function discardDeadLetter(db: Db, namespaceId: string, runId: string): Promise<boolean> {
  const { rows } = await moveOpenRuns(
    sql`r.id = ${runId} AND r.namespace_id = ${namespaceId} AND r.state = 'dead'`,
    "failed",
  ).execute(db);
  return rows.length > 0;
}

/** Of this worker's running runs, those it should stop: the poll behind the bell. */
export async function findCancelRequests(db: Db, workerId: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM task_runs_open
    WHERE worker_id = ${workerId} AND state = 'running' AND cancel_requested_at IS NOT NULL`.execute(db);
  return rows.map(({ id }) => id);
}

/** Moves open runs that match to their day's partition with a final state. */
function moveOpenRuns(match: RawBuilder<unknown>, state: "cancelled" | "failed"): RawBuilder<{ id: string }> {
  return sql<{ id: string }>`
    WITH gone AS (DELETE FROM task_runs_open r WHERE ${match} RETURNING r.*)
    INSERT INTO task_runs (id, namespace_id, task_id, function_id, revision_id, type, trigger, attempt,
      attempt_offset, claim_no, scheduled_for, available_at, queued_at, started_at, worker_id, cancel_requested_at,
      awaited, timeout_ms, input, result, error, attempts, finished_at, state)
    SELECT id, namespace_id, task_id, function_id, revision_id, type, trigger, attempt, attempt_offset, claim_no,
      scheduled_for, available_at, queued_at, started_at, worker_id,
      CASE WHEN ${state}::text = 'cancelled' THEN coalesce(cancel_requested_at, clock_timestamp())
        ELSE cancel_requested_at END,
      awaited, timeout_ms, input, result, error, attempts, clock_timestamp(), ${state}
    FROM gone RETURNING id`;
}
