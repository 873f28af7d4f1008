/** For the release before, which lets runs of functions wait and knows no lines. */
import type { Store } from "../database.ts";
import { functionKeySql } from "./permits.ts";

/**
 * Runs that the release before let wait stand in the line of their function from now on, or may be claimed where it has
 * no limit any more; how many, `limit` at most.
 */
export async function adoptWaiting(store: Store, limit: number): Promise<number> {
  const { rowCount } = await store.pool.query(
    `WITH unnamed AS MATERIALIZED (
       SELECT r.id, ${functionKeySql("r.function_id")} AS key FROM task_runs_open r
       WHERE r.room = 'awaited' AND r.waiting_key IS NULL LIMIT $1 FOR UPDATE SKIP LOCKED
     ), limits AS MATERIALIZED (
       SELECT l.key FROM run_limits l WHERE l.key IN (SELECT key FROM unnamed) ORDER BY l.key FOR UPDATE
     ), flagged AS (
       UPDATE run_limits l SET has_waiting = true FROM limits k WHERE l.key = k.key
     )
     UPDATE task_runs_open r SET permits = NULL, waiting_key = k.key, turn = 0, turn_key = NULL,
       waiting_for = CASE WHEN k.key IS NOT NULL THEN 'concurrency' END,
       room = CASE WHEN k.key IS NOT NULL THEN 'awaited' END
     FROM unnamed u LEFT JOIN limits k ON k.key = u.key WHERE r.id = u.id`,
    [limit],
  );
  return rowCount ?? 0;
}
