/** dead → queued: a redrive gives a run all its attempts again. */
import { type RawBuilder, sql } from "kysely";
import type { QueryScope } from "../database.ts";
import { tellRedriven } from "../events/record.ts";
import { STAGED, type StagedRun } from "./staged-run.ts";

/** Most runs one call redrives; the caller repeats while it gets as many. */
export const REDRIVE_BATCH = 1_000;

/** Redrives one dead letter, several, those of one task, or all of a namespace, oldest first. */
export async function redriveDeadLetters(
  { db }: QueryScope,
  namespaceId: string,
  which: { runId?: string | undefined; runIds?: string[]; taskId?: string | undefined },
): Promise<StagedRun[]> {
  const conditions: RawBuilder<unknown>[] = [sql`r.namespace_id = ${namespaceId} AND r.state = 'dead'`];
  if (which.runId !== undefined) conditions.push(sql`r.id = ${which.runId}`);
  if (which.runIds) conditions.push(sql`r.id = ANY(${which.runIds}::uuid[])`);
  if (which.taskId !== undefined) conditions.push(sql`r.task_id = ${which.taskId}`);
  // A cancelled task no longer runs, whoever asks; one that is being cancelled, which holds it for update, is
  // waited for. Each task is locked before its run, as by whoever changes it. A run that somebody else is at is left to
  // him, but where it was named among several: then it is told whether it was redriven.
  const onLocked = which.runIds ? sql`` : sql`SKIP LOCKED`;
  const { rows } = await sql<StagedRun>`
    WITH dead AS MATERIALIZED (
      SELECT r.id FROM task_runs_open r JOIN tasks t ON t.id = r.task_id
      WHERE ${sql.join(conditions, sql` AND `)} AND t.state <> 'cancelled'
      ORDER BY r.id LIMIT ${REDRIVE_BATCH} FOR KEY SHARE OF t FOR UPDATE OF r ${onLocked}
    ), callbacks AS MATERIALIZED (
      SELECT r.id FROM task_runs_open r WHERE ${sql.join(conditions, sql` AND `)} AND r.task_id IS NULL
      ORDER BY r.id LIMIT ${REDRIVE_BATCH} - (SELECT count(*) FROM dead) FOR UPDATE ${onLocked}
    ), redriven AS (
      UPDATE task_runs_open r SET state = 'queued', dead_at = NULL, error = NULL, result = NULL, worker_id = NULL,
        started_at = NULL, cancel_requested_at = NULL, attempt_offset = r.attempt, attempt = r.attempt + 1, turn = NULL,
        available_at = clock_timestamp(), queued_at = clock_timestamp(), redriven_at = clock_timestamp()
      FROM (SELECT id FROM dead UNION ALL SELECT id FROM callbacks) AS d WHERE r.id = d.id RETURNING r.*
    ), ${sql.raw(tellRedriven("redriven"))}
    SELECT ${sql.raw(STAGED)} FROM redriven r`.execute(db);
  return rows;
}
