/** Reading runs. An id tells when its run was made, which spares the partitions that are older. */
import { type RawBuilder, sql } from "kysely";
import type { Run } from "../../contracts/run.ts";
import type { Db } from "../database.ts";
import { createdAtOf } from "../ids.ts";

interface RunRow extends Omit<Run, "finishedAt"> {
  finishedAt: Date | null;
}

const COLUMNS = sql`r.id, r.namespace_id AS "namespaceId", r.task_id AS "taskId", r.type, f.name AS "functionName",
  r.revision_id AS "revisionId", r.state, r.attempt, r.scheduled_for AS "scheduledFor", r.queued_at AS "queuedAt",
  r.started_at AS "startedAt", coalesce(r.dead_at, nullif(r.finished_at, 'infinity')) AS "finishedAt",
  r.available_at AS "availableAt", r.worker_id AS "workerId", r.result, r.error, r.attempts`;

export async function findRun(db: Db, namespaceId: string, runId: string): Promise<Run | undefined> {
  const read = (from: RawBuilder<unknown>, where: RawBuilder<unknown>) =>
    sql<RunRow>`
    SELECT ${COLUMNS} FROM ${from} r LEFT JOIN functions f ON f.id = r.function_id
    WHERE r.id = ${runId} AND r.namespace_id = ${namespaceId} ${where}`.execute(db);
  const open = await read(sql`task_runs_open`, sql``);
  if (open.rows[0]) return open.rows[0];
  const finished = await read(
    sql`task_runs`,
    sql`AND r.finished_at >= ${createdAtOf(runId)} AND r.finished_at < clock_timestamp() + interval '1 day'`,
  );
  return finished.rows[0];
}

export interface RunFilter {
  taskId?: string | undefined;
  /** Only dead letters. */
  dead?: boolean;
}

/** Newest first; one more than `limit`, so that the caller knows whether there is a next page. */
export async function listRuns(
  db: Db,
  namespaceId: string,
  filter: RunFilter,
  limit: number,
  beforeId: string | undefined,
): Promise<Run[]> {
  const conditions: RawBuilder<unknown>[] = [sql`r.namespace_id = ${namespaceId}`];
  if (filter.taskId !== undefined) conditions.push(sql`r.task_id = ${filter.taskId}`);
  if (filter.dead) conditions.push(sql`r.state = 'dead'`);
  if (beforeId !== undefined) conditions.push(sql`r.id < ${beforeId}`);
  const { rows } = await sql<RunRow>`
    SELECT ${COLUMNS} FROM ${filter.dead ? sql`task_runs_open` : sql`task_runs`} r
    LEFT JOIN functions f ON f.id = r.function_id
    WHERE ${sql.join(conditions, sql` AND `)} ORDER BY r.id DESC LIMIT ${limit + 1}`.execute(db);
  return rows;
}
