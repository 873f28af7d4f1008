/** Cancelling: waiting runs end at once, active ones are asked to stop. */
import { sql } from "kysely";
import type { QueryScope } from "../database.ts";
import { GRANTED } from "../limits/permits.ts";
import { type EndedRun, endTaken } from "./end.ts";
import { recordInRowTime } from "./row-time.ts";

export interface Cancelled {
  /** Ended by this call. */
  ended: EndedRun[];
  /** Running: their workers were asked. */
  asked: string[];
}

/** The attempt of a deferred run ends with it; nobody is told who was sent its request. */
const ATTEMPTS = `CASE WHEN g.state <> 'deferred' THEN g.attempts ELSE g.attempts || (${recordInRowTime(
  "jsonb_build_object('attempt', g.attempt, 'workerId', g.worker_id, 'error', NULL)",
  "g.started_at",
  "NULL::float8",
)}) END`;

// What was granted permits and has not started holds them, as a deferred run does; a dead letter holds none.
const CANCELLED = endTaken(
  "cancel",
  { state: "'cancelled'", attempts: ATTEMPTS },
  `(${GRANTED}) OR r.state = 'deferred'`,
);
const DISCARDED = endTaken("discard", { state: "'failed'" }, "false");

/**
 * Cancels open runs of one namespace: one run, several, or all of a task or several. Dead letters are left to redrive and discard. The
 * rows are locked before their states are looked at: a run that goes from running to its retry is not missed.
 */
export async function cancelRuns(
  { db }: QueryScope,
  namespaceId: string,
  which: { runId: string } | { runIds: string[] } | { taskId: string } | { taskIds: string[] },
): Promise<Cancelled> {
  const match =
    "taskId" in which
      ? sql`task_id = ${which.taskId}`
      : "taskIds" in which
        ? sql`task_id = ANY(${which.taskIds}::uuid[])`
        : "runId" in which
          ? sql`id = ${which.runId}`
          : sql`id = ANY(${which.runIds}::uuid[])`;
  const { rows } = await sql<(EndedRun & { asked: null }) | { asked: string }>`
    WITH chosen AS MATERIALIZED (
      SELECT id, state = 'running' AS running FROM task_runs_open
      WHERE ${match} AND namespace_id = ${namespaceId} AND state IN ('scheduled', 'queued', 'running', 'deferred')
      FOR UPDATE
    ), gone AS (
      DELETE FROM task_runs_open r USING chosen c WHERE r.id = c.id AND NOT c.running RETURNING r.*
    ), ${sql.raw(CANCELLED.move)}, asked AS (
      UPDATE task_runs_open r SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
      FROM chosen c WHERE r.id = c.id AND c.running
    )
    SELECT CASE WHEN c.running THEN c.id END AS asked, ${sql.raw(CANCELLED.columns)}
    FROM chosen c LEFT JOIN gone g ON g.id = c.id`.execute(db);
  return {
    ended: rows.flatMap(({ asked, ...run }) => (asked === null ? [run as EndedRun] : [])),
    asked: rows.flatMap(({ asked }) => asked ?? []),
  };
}

/** dead → failed: the dead letter is not wanted any more. */
export async function discardDeadLetter(
  scope: QueryScope,
  namespaceId: string,
  runId: string,
): Promise<EndedRun | undefined> {
  return (await discardDeadLetters(scope, namespaceId, [runId]))[0];
}

/** The same of several; what is no dead letter is left out. */
export async function discardDeadLetters(
  { db }: QueryScope,
  namespaceId: string,
  runIds: string[],
): Promise<EndedRun[]> {
  const { rows } = await sql<EndedRun>`
    WITH gone AS (
      DELETE FROM task_runs_open WHERE id = ANY(${runIds}::uuid[]) AND namespace_id = ${namespaceId} AND state = 'dead' RETURNING *
    ), ${sql.raw(DISCARDED.move)} SELECT ${sql.raw(DISCARDED.columns)} FROM gone g`.execute(db);
  return rows;
}
