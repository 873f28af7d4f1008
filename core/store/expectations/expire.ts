import type { QueryScope } from "../database.ts";

/**
 * Removes up to `limit` of those that were missed before an instant, the oldest first; how many. Of a task that has
 * overrun ever since then the next overrun is told anew, and of one that is gone nothing stays.
 */
export async function removeExpiredExpectations(
  { pool }: QueryScope,
  before: Date,
  limit: number,
): Promise<number> {
  await pool.query("DELETE FROM overrunning_tasks WHERE since < $1", [before]);
  const { rowCount } = await pool.query(
    `DELETE FROM expectations WHERE id = ANY (ARRAY(
       SELECT id FROM expectations WHERE missed_at < $1 ORDER BY missed_at LIMIT $2))`,
    [before, limit],
  );
  return rowCount ?? 0;
}
