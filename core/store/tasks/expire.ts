/** Tasks that are over go with the last of their runs, which partitions.ts drops; a dead letter keeps its task. */
import type { Store } from "../database.ts";
import { firstIdOf } from "../ids.ts";
import { inTransaction } from "../transaction.ts";

const CHOOSE = `
  SELECT id FROM tasks
  WHERE state IN ('completed', 'cancelled') AND id > $1 AND id < $2 AND updated_at < $3
  ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED`;

/** A scalar subquery asks each partition's index; what could be joined might be joined by reading them all. */
const REMOVE = `
  DELETE FROM tasks t
  WHERE id = ANY($1::uuid[]) AND (SELECT r.id FROM task_runs r WHERE r.task_id = t.id LIMIT 1) IS NULL
    AND (state = 'cancelled' OR NOT EXISTS (SELECT FROM function_hooks h WHERE h.task_id = t.id))`;

export interface ExpiredTasks {
  removed: number;
  /** Where to go on; undefined: that was all. */
  lastId: string | undefined;
}

/**
 * Looks at up to `limit` tasks beyond `afterId` that were made, and changed last, before an instant, and removes those
 * that are over, have no run any more, and no hook by which there may be others. A statement of its own sees the run that somebody made while it waited.
 */
export async function removeExpiredTasks(
  store: Store,
  before: Date,
  limit: number,
  afterId: string = firstIdOf(new Date(0)),
): Promise<ExpiredTasks> {
  return await inTransaction(store.pool, async ({ pool }) => {
    const values = [afterId, firstIdOf(before), before, limit];
    const { rows } = await pool.query<{ id: string }>(CHOOSE, values);
    const ids = rows.map(({ id }) => id);
    if (ids.length === 0) return { removed: 0, lastId: undefined };
    const { rowCount } = await pool.query(REMOVE, [ids]);
    return { removed: rowCount ?? 0, lastId: ids.length < limit ? undefined : ids.at(-1) };
  });
}
