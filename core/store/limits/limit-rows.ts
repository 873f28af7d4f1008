/** The rows of limits: locked, and read under their locks. */
import type { Transaction } from "../transaction.ts";

export interface LimitRow {
  key: string;
  concurrency: number | null;
  permitsHeld: number;
  hasWaiting: boolean;
}

/**
 * Those of the keys that have a limit, with what was given back counted off. Sorted, so that two who lock several wait for
 * each other in one direction only.
 */
export async function lockLimits(tx: Transaction, keys: string[]): Promise<LimitRow[]> {
  const { rows } = await tx.pool.query<LimitRow & { hasReturned: boolean }>({
    name: "lock-limits",
    text: `SELECT key, concurrency, permits_held AS "permitsHeld", has_waiting AS "hasWaiting",
        EXISTS (SELECT FROM returned_permits b WHERE b.key = l.key) AS "hasReturned" FROM run_limits l
      WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE`,
    values: [keys],
  });
  if (!rows.some(({ hasReturned }) => hasReturned)) return rows;
  const counts = await foldReturned(tx, keys);
  return rows.map((row) => ({ ...row, permitsHeld: counts.get(row.key) ?? row.permitsHeld }));
}

const FOLD = {
  name: "fold-returned-permits",
  text: `
    WITH folded AS (
      DELETE FROM returned_permits WHERE key = ANY($1::text[]) RETURNING key, count
    )
    UPDATE run_limits l SET permits_held = greatest(l.permits_held - n.count, 0)
    FROM (SELECT key, sum(count)::int AS count FROM folded GROUP BY key) AS n
    WHERE l.key = n.key
    RETURNING l.key, l.permits_held AS count`,
};

/** Of keys whose locks are held: the counts that changed. What belongs to a limit that is gone goes. */
export async function foldReturned(tx: Transaction, keys: string[]): Promise<Map<string, number>> {
  const { rows } = await tx.pool.query<{ key: string; count: number }>({ ...FOLD, values: [keys] });
  return new Map(rows.map(({ key, count }) => [key, count]));
}

/** How many permits each key has left. */
export function toFree(rows: LimitRow[]): Map<string, number> {
  const left = ({ concurrency, permitsHeld }: LimitRow) =>
    concurrency === null ? Number.POSITIVE_INFINITY : concurrency - permitsHeld;
  return new Map(rows.map((row) => [row.key, left(row)]));
}
