/**
 * How many permits of a limit are held, counted from what holds them: runs under way and granted ones, those that were lent
 * to workers, and those that came back and are not counted off.
 */
import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database.ts";
import { GRANTED, LIMIT_KEYS, RETURNED } from "./permits.ts";

export const LIMIT_KEYS_SQL = sql.raw(LIMIT_KEYS);
export const GRANTED_SQL = sql.raw(GRANTED);
export const RETURNED_SQL = sql.raw(RETURNED);
/** What is under way, at its worker or at whoever is to complete it. Written out, so that their indexes are seen to hold. */
export const RUNNING = sql.lit("running");
export const DEFERRED = sql.lit("deferred");

/** Of a limit `l`: how many of its permits were lent to workers. */
export const LENT_SQL = sql`(SELECT coalesce(sum(p.count), 0)::int FROM lent_permits p WHERE p.key = l.key)`;

/** A run `r` that is under way has its part of what its worker was lent of a key, and no permit of its own. */
const hasLent = (key: RawBuilder<unknown>) => sql`NOT ${key} = ANY(coalesce(r.permits, '{}'))
  AND EXISTS (SELECT FROM lent_permits p WHERE p.worker_id = r.worker_id AND p.key = ${key})`;

/** Of a limit `l`: it is not one that is new, and that whoever made it counts (count-new-limit.ts). */
export const IS_COUNTABLE = sql`coalesce(l.uncounted_until <= clock_timestamp(), true)`;

/** For each permit of a run in this state its key, whether it took it or not. */
export const keysHeld = (state: RawBuilder<unknown>) => sql`
  SELECT k.key FROM task_runs_open r, unnest(${LIMIT_KEYS_SQL}) AS k(key)
  WHERE r.state = ${state} AND NOT (${hasLent(sql`k.key`)})`;

/** Of keys whose locks are held, those that have a limit: the counts that were wrong, as they are now. */
export async function recountLocked(tx: Db, keysToCount: string[]): Promise<Map<string, number>> {
  const countable = await sql<{ key: string }>`
    SELECT l.key FROM run_limits l WHERE l.key = ANY(${keysToCount}::text[]) AND ${IS_COUNTABLE}`.execute(tx);
  const keys = countable.rows.map(({ key }) => key);
  if (keys.length === 0) return new Map();
  await adoptUnderWay(tx, keys);
  const { rows } = await sql<{ key: string; count: number }>`
    UPDATE run_limits l SET permits_held = n.count + ${LENT_SQL} + ${RETURNED_SQL}
    FROM (
      SELECT k.key, (SELECT count(*)::int FROM (
        SELECT FROM task_runs_open r WHERE r.state = ${RUNNING} AND k.key = ANY(r.permits)
        UNION ALL
        SELECT FROM task_runs_open r WHERE r.state = ${DEFERRED} AND k.key = ANY(r.permits)
        UNION ALL
        SELECT FROM task_runs_open r WHERE ${GRANTED_SQL} AND k.key = ANY(r.permits)) AS held) AS count
      FROM unnest(${keys}::text[]) AS k(key)
    ) AS n
    WHERE l.key = n.key AND l.permits_held <> n.count + ${LENT_SQL} + ${RETURNED_SQL}
    RETURNING l.key, l.permits_held AS count`.execute(tx);
  return new Map(rows.map(({ key, count }) => [key, count]));
}

/**
 * Runs that began without a permit of these keys hold one from now on, but for those that have their part of what their
 * worker was lent. One that another has locked ends at this moment, or is found by the next count.
 */
async function adoptUnderWay(tx: Db, keys: string[]): Promise<void> {
  // One by one: each has an index of its own.
  for (const state of [RUNNING, DEFERRED])
    await sql`
      WITH lacking AS MATERIALIZED (
        SELECT r.id, n.keys FROM task_runs_open r CROSS JOIN LATERAL (SELECT ARRAY(
            SELECT k.key FROM unnest(${LIMIT_KEYS_SQL}) AS k(key)
            WHERE k.key = ANY(${keys}::text[]) AND NOT k.key = ANY(coalesce(r.permits, '{}'))
              AND NOT (${hasLent(sql`k.key`)})) AS keys) AS n
        WHERE r.state = ${state} AND cardinality(n.keys) > 0 FOR UPDATE OF r SKIP LOCKED
      )
      UPDATE task_runs_open r SET permits = coalesce(r.permits, '{}') || a.keys FROM lacking a
      WHERE r.id = a.id`.execute(tx);
}
