/**
 * granted → waiting: runs that hold a permit of the key and have not started, once it is paused or its limit is another.
 * Those that may start still are granted theirs anew.
 */
import type { Store } from "../database.ts";
import { retryDeadlock } from "../deadlock.ts";
import { GRANTED, givePermitsBack } from "./permits.ts";

// One that another has locked is waited for: it must not start once the change was answered.
const REVOKE = `
  WITH granted AS MATERIALIZED (
    SELECT r.id, r.permits FROM task_runs_open r WHERE ${GRANTED} AND $1 = ANY(r.permits)
    ORDER BY r.id FOR UPDATE
  ), revoked AS (
    UPDATE task_runs_open r SET permits = NULL, waiting_for = 'concurrency', waiting_key = $1, room = 'awaited'
    FROM granted g WHERE r.id = g.id
  ), ${givePermitsBack("granted")}
  SELECT key FROM permits_back`;

/** To be called after the change was committed, and before it is answered; then, permits of these keys can be granted. */
export async function revokePermits(store: Store, key: string): Promise<string[]> {
  const { rows } = await retryDeadlock(() => store.pool.query<{ key: string }>(REVOKE, [key]));
  if (rows.length > 0)
    await store.pool.query("UPDATE run_limits SET has_waiting = true WHERE key = $1", [key]);
  return [...new Set([key, ...rows.map((row) => row.key)])];
}
