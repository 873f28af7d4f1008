/**
 * Whose a key is. A key names one task of a namespace, and stays with it when that is over; who gives it to another
 * task then takes it away from there (`freeKey`).
 */
import { sql } from "kysely";
import type { Task } from "../../contracts/task-output.ts";
import { findKeyFault } from "../../domain/task-key.ts";
import { BellhopError } from "../../errors.ts";
import type { QueryScope } from "../database.ts";
import { isId } from "../ids.ts";
import type { Transaction } from "../transaction.ts";
import { taskConditions } from "./filter.ts";
import { TASK_COLUMNS, toTask } from "./read.ts";

/** What names a task is its id or its key: the id, of a key that of its task, also of one that is over. */
export async function resolveTaskId(
  { pool }: QueryScope,
  namespaceId: string,
  name: string,
): Promise<string | undefined> {
  if (isId(name)) return name.toLowerCase();
  if (findKeyFault(name) !== undefined) return undefined;
  const { rows } = await pool.query<{ id: string }>({
    name: "find-task-by-key",
    text: "SELECT id FROM tasks WHERE namespace_id = $1 AND key = $2 AND removed_at IS NULL",
    values: [namespaceId, name],
  });
  return rows[0]?.id;
}

/** Nothing comes of it any more: it was removed or cancelled, or has neither a next instant nor an open run. */
export const IS_OVER = `(t.removed_at IS NOT NULL OR t.state = 'cancelled' OR t.state = 'completed' AND NOT EXISTS (
    SELECT FROM task_runs_open o WHERE o.task_id = t.id AND o.state <> 'dead'))`;

/** Takes the key away from a task that is over. */
export const freeKey = (namespaceId: `$${number}`, key: `$${number}`) =>
  `UPDATE tasks t SET key = NULL WHERE t.namespace_id = ${namespaceId} AND t.key = ${key} AND ${IS_OVER}`;

const UNIQUE_VIOLATION = "23505";

/** Does what gives a task this key: 409 where a task that is not over has it. */
export async function takingKey<T>(key: string, take: () => Promise<T>): Promise<T> {
  try {
    return await take();
  } catch (error) {
    const { code, constraint } = error as { code?: unknown; constraint?: unknown };
    if (code !== UNIQUE_VIOLATION || constraint !== "tasks_by_key") throw error;
    const message = `${JSON.stringify(key)} is the key of another task`;
    throw new BellhopError("task_key_taken", 409, `key: ${message}`, [{ field: "key", message }]);
  }
}

/** Locks the tasks with these keys that are not cancelled, in the order of their ids; by their keys. */
export async function lockTasksByKey(
  { db }: Transaction,
  namespaceId: string,
  keys: readonly string[],
): Promise<Map<string, Task>> {
  const { rows } = await sql<Parameters<typeof toTask>[0] & { key: string }>`
    SELECT ${TASK_COLUMNS} FROM tasks r
    WHERE r.namespace_id = ${namespaceId} AND r.key = ANY(${keys}) AND r.removed_at IS NULL AND r.state <> 'cancelled'
    ORDER BY r.id FOR UPDATE OF r`.execute(db);
  return new Map(rows.map((row) => [row.key, toTask(row)]));
}

/** Whoever would change the task, named by its id or its key, waits for the transaction's end. */
export async function holdTask({ pool }: Transaction, namespaceId: string, name: string): Promise<void> {
  const column = isId(name) ? "id" : "key";
  await pool.query(
    `SELECT FROM tasks WHERE namespace_id = $1 AND ${column} = $2 AND removed_at IS NULL FOR UPDATE`,
    [namespaceId, name],
  );
}

/** The task, locked; nothing of it is touched. */
export async function lockTaskById(
  { db }: Transaction,
  namespaceId: string,
  id: string,
): Promise<Task | undefined> {
  const { rows } = await sql<Parameters<typeof toTask>[0]>`
    SELECT ${TASK_COLUMNS} FROM tasks r
    WHERE r.namespace_id = ${namespaceId} AND r.id = ${id} AND r.removed_at IS NULL FOR UPDATE OF r`.execute(
    db,
  );
  return rows[0] && toTask(rows[0]);
}

/** Those that have a key which is none of these, and all of these labels, up to `limit`. */
export async function findOtherKeys(
  { db }: Transaction,
  namespaceId: string,
  keys: readonly string[],
  labels: readonly string[],
  limit: number,
): Promise<{ id: string; key: string }[]> {
  const { rows } = await sql<{ id: string; key: string }>`
    SELECT r.id, r.key FROM tasks r
    WHERE ${sql.join(taskConditions(namespaceId, { label: [...labels] }), sql` AND `)}
      AND r.key IS NOT NULL AND r.key <> ALL(${keys}) ORDER BY r.id LIMIT ${limit} FOR UPDATE OF r`.execute(
    db,
  );
  return rows;
}
