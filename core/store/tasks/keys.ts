/**
 * Whose a key is. A key names one task of a namespace, and stays with it when that is over; who gives it to another
 * task then takes it away from there (`freeKey`).
 */
import { findKeyFault } from "../../domain/task-key.ts";
import { BellhopError } from "../../errors.ts";
import type { QueryScope } from "../database.ts";
import { isId } from "../ids.ts";

/** What names a task is its id or its key: the id, of a key that of its task, also of one that is over. */
export async function resolveTaskId(
  { pool }: QueryScope,
  namespaceId: string,
  name: string,
): Promise<string | undefined> {
  if (isId(name)) return name;
  if (findKeyFault(name) !== undefined) return undefined;
  const { rows } = await pool.query<{ id: string }>({
    name: "find-task-by-key",
    text: "SELECT id FROM tasks WHERE namespace_id = $1 AND key = $2 AND removed_at IS NULL",
    values: [namespaceId, name],
  });
  return rows[0]?.id;
}

/** Nothing comes of it any more: it was removed or cancelled, or has neither a next instant nor an open run. */
const IS_OVER = `(t.removed_at IS NOT NULL OR t.state = 'cancelled' OR t.state = 'completed' AND NOT EXISTS (
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
