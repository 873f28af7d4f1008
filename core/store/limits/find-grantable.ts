/**
 * Looks of the scheduler at the lines of limits: where permits can be granted, and when a rate lets the next run start. They
 * cost by what is due (`run_limits.due_ms`), not by what waits.
 */
import type { Store } from "../database.ts";
import { CALLED, WAITING } from "./permits.ts";

/** As `due_ms` has instants; stable, so that it bounds the index. */
const NOW_MS = "(extract(epoch FROM statement_timestamp()) * 1000)::float8";

/** Where the walks from line to line, and from limit to limit, go on. */
export interface LineCursor {
  afterLine?: string | undefined;
  afterLimit?: string | undefined;
}

/**
 * Keys that have permits, or no limit any more, while runs wait for them or are said to. Those that are due or had some laid
 * beside their count; and what a crash or a cancelled run left among the next `limit` lines and limits after the cursor,
 * which is moved on, and in the end to the beginning.
 */
export async function findGrantableKeys(
  store: Store,
  limit: number,
  cursor: LineCursor = {},
): Promise<string[]> {
  const due = await store.pool.query<{ key: string }>({
    name: "find-due-keys",
    text: `(SELECT key FROM run_limits WHERE due_ms <= ${NOW_MS} ORDER BY due_ms, key LIMIT $1)
      UNION (SELECT DISTINCT l.key FROM returned_permits b JOIN run_limits l ON l.key = b.key WHERE l.has_waiting LIMIT $1)`,
    values: [limit],
  });
  const walk = async (statement: { name: string; text: string }, after: string | undefined) =>
    (await store.pool.query<WalkedKey>({ ...statement, values: [limit, after ?? ""] })).rows;
  const lines = await walk(WALK_LINES, cursor.afterLine);
  const limits = await walk(WALK_LIMITS, cursor.afterLimit);
  const lastOf = (rows: WalkedKey[]) => (rows.length < limit ? undefined : rows.at(-1)!.key);
  cursor.afterLine = lastOf(lines);
  cursor.afterLimit = lastOf(limits);
  const found = [...lines, ...limits].filter(({ isGrantable }) => isGrantable);
  return [...new Set([...due.rows, ...found].map(({ key }) => key))];
}

interface WalkedKey {
  key: string;
  isGrantable: boolean;
}

// A called run that is cancelled leaves its start to nobody, and may have been the last in its line.
const WALK_LIMITS = {
  name: "walk-limits",
  text: `
    SELECT l.key, l.is_called_out
      AND NOT EXISTS (SELECT FROM task_runs_open r WHERE ${CALLED} AND r.waiting_key = l.key) AS "isGrantable"
    FROM run_limits l WHERE l.key > $2 ORDER BY l.key LIMIT $1`,
};

const WALK_LINES = {
  name: "walk-lines",
  text: `
    WITH RECURSIVE k AS (
      SELECT (SELECT min(r.waiting_key) FROM task_runs_open r WHERE ${WAITING} > $2) AS key, 1 AS count
      UNION ALL
      SELECT (SELECT min(r.waiting_key) FROM task_runs_open r WHERE ${WAITING} > k.key), k.count + 1
      FROM k WHERE k.key IS NOT NULL AND k.count < $1
    )
    SELECT k.key, l.key IS NULL OR NOT l.has_waiting OR l.due_ms <= ${NOW_MS} AS "isGrantable"
    FROM k LEFT JOIN run_limits l ON l.key = k.key WHERE k.key IS NOT NULL`,
};

export interface RatedKey {
  key: string;
  /** Until more may start; 0: now. */
  waitMs: number;
  /** From now until more may start besides those that may before. */
  nextMs: number;
}

const ROOM_MS = "(rate_used_until_ms + (1 - rate_burst) * rate_interval_ms)";
/** Of a bucket of many, up to half is called up at once, where it comes back within 100 ms: looks and claims cost by the call. */
const GATHERING_MS =
  "rate_interval_ms * least(greatest(rate_burst / 2 - 1, 0), floor(99 / rate_interval_ms))";
/** So many that are not due are looked at for the one that is next. */
const NEXT_KEYS = 100;

/** Keys with a rate that runs wait for and nothing else holds up: `limit` of those that are due, and the one that is next. */
export async function findRatedKeys({ pool }: Pick<Store, "pool">, limit: number): Promise<RatedKey[]> {
  const { rows } = await pool.query<RatedKey>({
    name: "find-rated-keys",
    text: `
      (SELECT key, 0::float8 AS "waitMs", ${ROOM_MS} - ${NOW_MS} + ${GATHERING_MS}
          + (1 + floor((${NOW_MS} - ${ROOM_MS}) / rate_interval_ms)) * rate_interval_ms AS "nextMs"
        FROM run_limits WHERE due_ms <= ${NOW_MS} AND rate_interval_ms IS NOT NULL ORDER BY due_ms, key LIMIT $1)
      UNION ALL
      (SELECT key, "waitMs", "waitMs" + rate_interval_ms FROM (
        SELECT key, rate_interval_ms, due_ms - ${NOW_MS} + ${GATHERING_MS} AS "waitMs" FROM run_limits
        WHERE due_ms > ${NOW_MS} AND due_ms < 'infinity' AND rate_interval_ms IS NOT NULL
        ORDER BY due_ms, key LIMIT ${NEXT_KEYS}
      ) AS next ORDER BY "waitMs" LIMIT 1)`,
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
