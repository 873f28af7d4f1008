/** Looks of the scheduler at the lines of limits: where permits can be granted, and when a rate lets the next one start. */
import type { Store } from "../database.ts";
import { NOW_MS, RETURNED, WAITING } from "./permits.ts";

/** Of a row `l` of limits: `countFree` is not 0. */
const HAS_PERMITS_LEFT = `(coalesce(l.permits_held - ${RETURNED} < l.concurrency, true)
  AND coalesce(l.paused_until <= statement_timestamp(), true)
  AND coalesce(greatest(l.rate_used_until_ms, ${NOW_MS}) + (1 - l.rate_burst) * l.rate_interval_ms <= ${NOW_MS}, true))`;

/**
 * Keys that have permits, or no limit any more, while runs wait for them or are said to: from one line to the next in the
 * index, however many stand in each.
 */
export async function findGrantableKeys(store: Store, limit: number): Promise<string[]> {
  const { rows } = await store.pool.query<{ key: string }>(
    `WITH RECURSIVE k AS (
       (SELECT min(waiting_key) AS key FROM task_runs_open r WHERE r.state = 'queued' AND r.waiting_for = 'concurrency')
       UNION ALL
       SELECT (SELECT min(r.waiting_key) FROM task_runs_open r WHERE ${WAITING} > k.key) FROM k WHERE k.key IS NOT NULL
     )
     SELECT k.key FROM k LEFT JOIN run_limits l ON l.key = k.key
     WHERE k.key IS NOT NULL AND (${HAS_PERMITS_LEFT} OR NOT l.has_waiting)
     UNION
     SELECT key FROM run_limits l WHERE has_waiting AND ${HAS_PERMITS_LEFT}
     LIMIT $1`,
    [limit],
  );
  return rows.map(({ key }) => key);
}

export interface RatedKey {
  key: string;
  /** Until one more may start; 0: now. */
  waitMs: number;
}

/** Keys with a rate that runs wait for and nothing else holds up, the soonest first. */
export async function findRatedKeys({ pool }: Pick<Store, "pool">, limit: number): Promise<RatedKey[]> {
  const { rows } = await pool.query<RatedKey>({
    name: "find-rated-keys",
    text: `SELECT key, greatest(0, rate_used_until_ms + (1 - rate_burst) * rate_interval_ms - ${NOW_MS}) AS "waitMs"
      FROM run_limits l WHERE has_waiting AND rate_interval_ms IS NOT NULL AND permits_held - ${RETURNED} < concurrency
        AND coalesce(paused_until <= statement_timestamp(), true)
      ORDER BY 2 LIMIT $1`,
    values: [limit],
  });
  return rows;
}

/** Whether any queue has a rate, in all or per key. */
export async function hasRates({ pool }: Pick<Store, "pool">): Promise<boolean> {
  const { rowCount } = await pool.query(
    "SELECT FROM run_limits WHERE rate_interval_ms IS NOT NULL OR per_key ->> 'rate' IS NOT NULL LIMIT 1",
  );
  return rowCount === 1;
}
