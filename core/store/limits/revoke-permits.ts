/**
 * granted → waiting: runs for which the key holds and that have not started, once it is paused or its limit is another.
 * Those that may start still are granted their permits anew: they come first in its line.
 */
import type { Store } from "../database.ts";
import { retryDeadlock } from "../deadlock.ts";
import { GRANTED, SOME_KEYS } from "./permits.ts";

// By the keys, not the permits: where the limit is new none of it was granted. A run that another has locked is waited
// for: it must not start once the change was answered.
const REVOKE = `
  WITH granted AS MATERIALIZED (
    SELECT r.id, r.permits FROM task_runs_open r WHERE ${GRANTED} AND $1 = ANY(${SOME_KEYS})
    ORDER BY r.id FOR UPDATE
  ), revoked AS (
    UPDATE task_runs_open r SET permits = NULL, waiting_for = 'concurrency', waiting_key = $1, room = 'awaited',
      turn = CASE WHEN r.waiting_key = $1 THEN r.turn ELSE least(r.turn, 0) END, turn_key = CASE WHEN r.waiting_key = $1 THEN r.turn_key END
    FROM granted g WHERE r.id = g.id
  ), back AS MATERIALIZED (
    SELECT p.key, count(*)::int AS count FROM granted, unnest(permits) AS p(key) GROUP BY p.key
  ), limits AS MATERIALIZED (
    SELECT l.key FROM run_limits l
    WHERE EXISTS (SELECT FROM granted) AND (l.key = $1 OR l.key = ANY(ARRAY(SELECT key FROM back)))
    ORDER BY l.key FOR UPDATE
  )
  UPDATE run_limits l SET has_waiting = l.has_waiting OR l.key = $1,
    permits_held = greatest(l.permits_held - coalesce((SELECT b.count FROM back b WHERE b.key = l.key), 0), 0)
  FROM limits WHERE l.key = limits.key RETURNING l.key`;

/** To be called after the change was committed, and before it is answered; then, permits of these keys can be granted. */
export async function revokePermits(store: Store, key: string): Promise<string[]> {
  const { rows } = await retryDeadlock(() => store.pool.query<{ key: string }>(REVOKE, [key]));
  return [...new Set([key, ...rows.map((row) => row.key)])];
}
