/**
 * What applications have enqueued or cancelled in transactions of their own (sql-functions.ts). States of a row: waiting →
 * gone (its task is made, or cancelled) or refused (it is shown with the reason, until the retention or its removal).
 */
import type { InvalidTask } from "../../contracts/invalid-task.ts";
import type { Problem } from "../../contracts/problem.ts";
import { JsonSource } from "../../json-source.ts";
import type { QueryScope } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import type { Transaction } from "../transaction.ts";

export interface EnqueuedTask {
  seq: string;
  taskId: string;
  namespaceId: string;
  action: "enqueue" | "cancel";
  /** As it was written; null for a cancel. */
  text: string | null;
  enqueuedAt: Date;
}

const firstOf = (namespace: string) => `
  SELECT * FROM (
    SELECT seq, task_id AS "taskId", namespace_id AS "namespaceId", action, task::text AS text,
      enqueued_at AS "enqueuedAt"
    FROM enqueued_tasks WHERE refused_at IS NULL AND ${namespace}
    ORDER BY namespace_id, seq LIMIT 1 FOR UPDATE SKIP LOCKED) AS one`;

/** Whether any waits, also one that somebody is at. Without a parameter it is planned once per connection. */
export async function hasEnqueued({ pool }: QueryScope): Promise<boolean> {
  const { rows } = await pool.query<{ isAny: boolean }>({
    name: "has-enqueued",
    text: `SELECT EXISTS (SELECT FROM enqueued_tasks WHERE refused_at IS NULL) AS "isAny"`,
  });
  return rows[0]!.isAny;
}

/**
 * The first that waits and that nobody else is at, locked: of the namespace that comes after this one, round and round, so
 * that nobody waits for all that another has enqueued. Which transaction commits first is not its number's affair.
 */
export async function takeEnqueued(
  { pool }: Transaction,
  afterNamespaceId: string,
): Promise<EnqueuedTask | undefined> {
  const { rows } = await pool.query<EnqueuedTask>({
    name: "take-enqueued",
    text: `${firstOf("namespace_id > $1")} UNION ALL ${firstOf("namespace_id <= $1")} LIMIT 1`,
    values: [afterNamespaceId],
  });
  return rows[0];
}

/** Others of its namespace first: what waits there is taken by its number. */
export async function moveEnqueuedBack({ pool }: QueryScope, seq: string): Promise<void> {
  await pool.query("UPDATE enqueued_tasks SET seq = DEFAULT WHERE seq = $1", [seq]);
}

export async function removeEnqueued({ pool }: Transaction, seq: string): Promise<void> {
  await pool.query({
    name: "remove-enqueued",
    text: "DELETE FROM enqueued_tasks WHERE seq = $1",
    values: [seq],
  });
}

export async function refuseEnqueued({ pool }: Transaction, seq: string, problem: Problem): Promise<void> {
  await pool.query("UPDATE enqueued_tasks SET refused_at = clock_timestamp(), problem = $2 WHERE seq = $1", [
    seq,
    toJsonText(problem),
  ]);
}

/** Newest first; one more than `limit`, so that the caller knows whether there is a next page. */
export async function listInvalidTasks(
  { pool }: QueryScope,
  namespaceId: string,
  { limit, beforeId }: { limit: number; beforeId: string | undefined },
): Promise<InvalidTask[]> {
  const { rows } = await pool.query<Omit<InvalidTask, "task"> & { text: string }>(
    `SELECT task_id AS id, task::text AS text, problem, enqueued_by AS "enqueuedBy", enqueued_at AS "enqueuedAt",
       refused_at AS "refusedAt"
     FROM enqueued_tasks
     WHERE namespace_id = $1 AND refused_at IS NOT NULL AND ($2::uuid IS NULL OR task_id < $2)
     ORDER BY task_id DESC LIMIT $3`,
    [namespaceId, beforeId ?? null, limit + 1],
  );
  return rows.map(({ text, ...row }) => ({ ...row, task: new JsonSource(text) }));
}

/** Whether there was one. */
export async function removeInvalidTask(
  { pool }: QueryScope,
  namespaceId: string,
  id: string,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    "DELETE FROM enqueued_tasks WHERE namespace_id = $1 AND task_id = $2 AND refused_at IS NOT NULL",
    [namespaceId, id],
  );
  return rowCount === 1;
}

/** Removes up to `limit` that were refused before; how many. */
export async function removeExpiredInvalidTasks(
  { pool }: QueryScope,
  before: Date,
  limit: number,
): Promise<number> {
  const { rowCount } = await pool.query(
    `DELETE FROM enqueued_tasks WHERE seq = ANY (ARRAY(
       SELECT seq FROM enqueued_tasks WHERE refused_at < $1 ORDER BY refused_at LIMIT $2 FOR UPDATE SKIP LOCKED))`,
    [before, limit],
  );
  return rowCount ?? 0;
}
