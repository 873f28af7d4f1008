/**
 * Counts of permits are made true again where they are not: after runs of the release before, which takes and returns
 * none, after a limit was set while runs were under way, and after whatever fault there may be. A count that is too high
 * starves its key, one that is too low lets too many run.
 */
import { type RawBuilder, sql } from "kysely";
import type { Db, Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";
import { lockLimits, withQueues } from "./limit-rows.ts";
import { GRANTED, LIMIT_KEYS, RETURNED } from "./permits.ts";

const LIMIT_KEYS_SQL = sql.raw(LIMIT_KEYS);
const GRANTED_SQL = sql.raw(GRANTED);
const RETURNED_SQL = sql.raw(RETURNED);
/** What is under way, at its worker or at whoever is to complete it. Written out, so that their indexes are seen to hold. */
const RUNNING = sql.lit("running");
const DEFERRED = sql.lit("deferred");

/** Of a limit `l`: it is not one that is new, and that whoever made it counts (count-new-limit.ts). */
const IS_COUNTABLE = sql`coalesce(l.uncounted_until <= clock_timestamp(), true)`;

export interface Correction {
  key: string;
  before: number;
  after: number;
}

/** Looks in one snapshot, which locks nothing: in it a count that is right is exact. Corrects under the locks. */
export async function recountPermits({ db }: Store): Promise<Correction[]> {
  const keys = await findWrongCounts(db);
  if (keys.length === 0) return [];
  return await db.transaction().execute(async (tx) => {
    const { rows: before } = await sql<{ key: string; count: number }>`
      SELECT key, permits_held AS count FROM run_limits WHERE key = ANY(${withQueues(keys)}::text[])
      ORDER BY key FOR UPDATE`.execute(tx);
    const after = await recountLocked(tx, keys);
    return before.flatMap(({ key, count }) =>
      after.has(key) ? [{ key, before: count, after: after.get(key)! }] : [],
    );
  });
}

/**
 * For who took the rows of runs in a transaction of its own and learned of their permits too late: a count in between
 * has given them back already, and to give them back once more would let too many run. The keys that runs wait for.
 */
export async function recountReturned(store: Store, keys: string[]): Promise<string[]> {
  if (keys.length === 0) return [];
  return await inTransaction(store.pool, async (tx) => {
    const limits = await lockLimits(tx, keys);
    await recountLocked(tx.db, keys);
    return limits.filter(({ hasWaiting }) => hasWaiting).map(({ key }) => key);
  });
}

/** Every run under way counts, whether it took its permits or not. */
async function findWrongCounts(db: Db): Promise<string[]> {
  const keysOf = (state: RawBuilder<unknown>) => sql`
    SELECT k.key FROM task_runs_open r, unnest(${LIMIT_KEYS_SQL}) AS k(key) WHERE r.state = ${state}`;
  const { rows } = await sql<{ key: string }>`
    SELECT l.key FROM run_limits l LEFT JOIN (
      SELECT key, count(*) AS count FROM (
        ${keysOf(RUNNING)} UNION ALL ${keysOf(DEFERRED)}
        UNION ALL
        SELECT p.key FROM task_runs_open r, unnest(r.permits) AS p(key) WHERE ${GRANTED_SQL}
      ) AS held GROUP BY key
    ) AS h ON h.key = l.key
    WHERE l.permits_held <> coalesce(h.count, 0) + ${RETURNED_SQL} AND ${IS_COUNTABLE}`.execute(db);
  return rows.map(({ key }) => key);
}

/** Of keys whose locks are held, those that have a limit: the counts that were wrong, as they are now. */
export async function recountLocked(tx: Db, keysToCount: string[]): Promise<Map<string, number>> {
  const countable = await sql<{ key: string }>`
    SELECT l.key FROM run_limits l WHERE l.key = ANY(${keysToCount}::text[]) AND ${IS_COUNTABLE}`.execute(tx);
  const keys = countable.rows.map(({ key }) => key);
  if (keys.length === 0) return new Map();
  await adoptUnderWay(tx, keys);
  const { rows } = await sql<{ key: string; count: number }>`
    UPDATE run_limits l SET permits_held = n.count + ${RETURNED_SQL}
    FROM (
      SELECT k.key, (SELECT count(*)::int FROM (
        SELECT FROM task_runs_open r WHERE r.state = ${RUNNING} AND k.key = ANY(r.permits)
        UNION ALL
        SELECT FROM task_runs_open r WHERE r.state = ${DEFERRED} AND k.key = ANY(r.permits)
        UNION ALL
        SELECT FROM task_runs_open r WHERE ${GRANTED_SQL} AND k.key = ANY(r.permits)) AS held) AS count
      FROM unnest(${keys}::text[]) AS k(key)
    ) AS n
    WHERE l.key = n.key AND l.permits_held <> n.count + ${RETURNED_SQL}
    RETURNING l.key, l.permits_held AS count`.execute(tx);
  return new Map(rows.map(({ key, count }) => [key, count]));
}

/**
 * Runs that began without a permit of these keys hold one from now on. One that another has locked ends at this moment,
 * or is found by the next count.
 */
async function adoptUnderWay(tx: Db, keys: string[]): Promise<void> {
  // One by one: each has an index of its own.
  for (const state of [RUNNING, DEFERRED])
    await sql`
      WITH lacking AS MATERIALIZED (
        SELECT r.id, n.keys FROM task_runs_open r CROSS JOIN LATERAL (SELECT ARRAY(
            SELECT k.key FROM unnest(${LIMIT_KEYS_SQL}) AS k(key)
            WHERE k.key = ANY(${keys}::text[]) AND NOT k.key = ANY(coalesce(r.permits, '{}'))) AS keys) AS n
        WHERE r.state = ${state} AND cardinality(n.keys) > 0 FOR UPDATE OF r SKIP LOCKED
      )
      UPDATE task_runs_open r SET permits = coalesce(r.permits, '{}') || a.keys FROM lacking a
      WHERE r.id = a.id`.execute(tx);
}
