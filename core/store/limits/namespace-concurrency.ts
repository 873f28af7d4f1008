/**
 * The limit of runs at once of a whole namespace. Like that of the queue `default` it holds for runs that do not name it
 * (permits.ts), so that what was queued before obeys it too, and runs of other namespaces pay nothing for it.
 */
import { sql } from "kysely";
import { namespaceKey } from "../../domain/limit-keys.ts";
import type { Db, QueryScope, Store } from "../database.ts";
import { countNewLimit } from "./count-new-limit.ts";
import { removeLimit } from "./limit-rows.ts";
import { lineUpRuns } from "./line-up.ts";
import { IS_UNCOUNTED, UNCOUNTED_UNTIL } from "./queue-limits.ts";
import { revokePermits } from "./revoke-permits.ts";

/** What is committed of a change, and has to be settled. */
export interface SavedConcurrency {
  namespaceId: string;
  /** It is a limit that claims under way do not know of. */
  isUncounted: boolean;
}

/** Null: there is no such limit. */
export async function findConcurrency({ pool }: QueryScope, namespaceId: string): Promise<number | null> {
  const { rows } = await pool.query<{ concurrency: number | null }>(
    "SELECT concurrency FROM run_limits WHERE key = $1",
    [namespaceKey(namespaceId)],
  );
  return rows[0]?.concurrency ?? null;
}

/** In the transaction that changes the namespace's limits, with its row locked. Null: as many as come. */
export async function saveNamespaceConcurrency(
  tx: Db,
  namespaceId: string,
  concurrency: number | null,
): Promise<SavedConcurrency> {
  const key = namespaceKey(namespaceId);
  if (concurrency === null) {
    await sql`UPDATE run_limits SET is_default = false WHERE key = ${key}`.execute(tx);
    await removeLimit(tx, key);
    return { namespaceId, isUncounted: false };
  }
  const { rows } = await sql<{ isUncounted: boolean }>`
    INSERT INTO run_limits AS l (key, namespace_id, concurrency, permits_held, uncounted_until, is_default)
    VALUES (${key}, ${namespaceId}, ${concurrency}, ${concurrency}, ${UNCOUNTED_UNTIL}, true)
    ON CONFLICT (key) DO UPDATE SET concurrency = excluded.concurrency, is_default = true,
      permits_held = CASE WHEN ${IS_UNCOUNTED} THEN excluded.permits_held ELSE l.permits_held END,
      uncounted_until = CASE WHEN ${IS_UNCOUNTED} THEN excluded.uncounted_until END
    RETURNING l.uncounted_until IS NOT NULL AS "isUncounted"`.execute(tx);
  return { namespaceId, isUncounted: rows[0]!.isUncounted };
}

/** To be called once the change is committed; the limit keys whose permits can be granted to runs that wait. */
export async function settleNamespaceConcurrency(
  store: Store,
  { namespaceId, isUncounted }: SavedConcurrency,
): Promise<string[]> {
  const key = namespaceKey(namespaceId);
  if (isUncounted) await countNewLimit(store, key);
  const freedKeys = await revokePermits(store, key);
  await lineUpRuns(store, namespaceId, key);
  return freedKeys;
}

/** How many are under way, no further than `most`. Each state has an index of its own. */
export async function countUnderWay(
  { pool }: QueryScope,
  namespaceId: string,
  most: number,
): Promise<{ used: number; isExact: boolean }> {
  const { rows } = await pool.query<{ count: number }>({
    name: "count-under-way",
    text: `SELECT count(*)::int AS count FROM (
      (SELECT FROM task_runs_open WHERE namespace_id = $1 AND state = 'running' LIMIT $2)
      UNION ALL (SELECT FROM task_runs_open WHERE namespace_id = $1 AND state = 'deferred' LIMIT $2)) AS r`,
    values: [namespaceId, most + 1],
  });
  const { count } = rows[0]!;
  return count > most ? { used: most, isExact: false } : { used: count, isExact: true };
}
