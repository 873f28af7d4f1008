/**
 * Counts of permits are made true again where they are not: after runs of the release before, which takes and returns
 * none, after a limit was set while runs were under way, and after whatever fault there may be. A count that is too high
 * starves its key, one that is too low lets too many run.
 */
import { sql } from "kysely";
import type { Db, Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";
import {
  DEFERRED,
  GRANTED_SQL,
  IS_COUNTABLE,
  keysHeld,
  LENT_SQL,
  RETURNED_SQL,
  RUNNING,
  recountLocked,
} from "./count-held.ts";
import { lockLimits, withQueues } from "./limit-rows.ts";

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
  const { rows } = await sql<{ key: string }>`
    SELECT l.key FROM run_limits l LEFT JOIN (
      SELECT key, count(*) AS count FROM (
        ${keysHeld(RUNNING)} UNION ALL ${keysHeld(DEFERRED)}
        UNION ALL
        SELECT p.key FROM task_runs_open r, unnest(r.permits) AS p(key) WHERE ${GRANTED_SQL}
      ) AS held GROUP BY key
    ) AS h ON h.key = l.key
    WHERE l.permits_held <> coalesce(h.count, 0) + ${LENT_SQL} + ${RETURNED_SQL} AND ${IS_COUNTABLE}`.execute(
    db,
  );
  return rows.map(({ key }) => key);
}
