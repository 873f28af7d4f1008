/** Cancelling: what waits ends at once, what runs is asked to stop. */
import { sql } from "kysely";
import type { QueryScope } from "../database.ts";
import { GRANTED, givePermitsBack } from "../limits/permits.ts";
import { moveEnded } from "./move-ended.ts";

export interface Cancelled {
  /** Ended by this call. */
  ended: string[];
  /** Running: their workers were asked. */
  asked: string[];
}

// What was granted permits and has not started holds them.
const PERMITS_BACK = sql.raw(givePermitsBack("gone r", GRANTED));
const MOVE_CANCELLED = sql.raw(moveEnded({ state: "'cancelled'" }));
const MOVE_DISCARDED = sql.raw(moveEnded({ state: "'failed'" }));

/**
 * Cancels open runs of one namespace: one run, or all of a task. Dead letters are left to redrive and discard. The
 * rows are locked before their states are looked at: a run that goes from running to its retry is not missed.
 */
export async function cancelRuns(
  { db }: QueryScope,
  namespaceId: string,
  which: { runId: string } | { taskId: string },
): Promise<Cancelled> {
  const match = "runId" in which ? sql`id = ${which.runId}` : sql`task_id = ${which.taskId}`;
  const { rows } = await sql<{ id: string; running: boolean }>`
    WITH chosen AS MATERIALIZED (
      SELECT id, state = 'running' AS running FROM task_runs_open
      WHERE ${match} AND namespace_id = ${namespaceId} AND state IN ('scheduled', 'queued', 'running')
      FOR UPDATE
    ), gone AS (
      DELETE FROM task_runs_open r USING chosen c WHERE r.id = c.id AND NOT c.running RETURNING r.*
    ), ended AS (${MOVE_CANCELLED}
    ), ${PERMITS_BACK}, asked AS (
      UPDATE task_runs_open r SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
      FROM chosen c WHERE r.id = c.id AND c.running
    )
    SELECT id, running FROM chosen`.execute(db);
  const idsOf = (running: boolean) => rows.filter((row) => row.running === running).map(({ id }) => id);
  return { ended: idsOf(false), asked: idsOf(true) };
}

/** dead → failed: the dead letter is not wanted any more. */
export async function discardDeadLetter(
  { db }: QueryScope,
  namespaceId: string,
  runId: string,
): Promise<boolean> {
  const { rows } = await sql<{ id: string }>`
    WITH gone AS (
      DELETE FROM task_runs_open WHERE id = ${runId} AND namespace_id = ${namespaceId} AND state = 'dead' RETURNING *
    ) ${MOVE_DISCARDED} RETURNING id`.execute(db);
  return rows.length > 0;
}
