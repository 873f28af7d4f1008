/** The rows of limits: locked, and read under their locks. */
import type { Transaction } from "../transaction.ts";

export interface LimitRow {
  key: string;
  concurrency: number | null;
  permitsHeld: number;
  hasWaiting: boolean;
}

/** Those of the keys that have a limit. Sorted, so that two who lock several wait for each other in one direction only. */
export async function lockLimits(tx: Transaction, keys: string[]): Promise<LimitRow[]> {
  const { rows } = await tx.pool.query<LimitRow>({
    name: "lock-limits",
    text: `SELECT key, concurrency, permits_held AS "permitsHeld", has_waiting AS "hasWaiting" FROM run_limits
      WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE`,
    values: [keys],
  });
  return rows;
}

/** How many permits each key has left. */
export function toFree(rows: LimitRow[]): Map<string, number> {
  const left = ({ concurrency, permitsHeld }: LimitRow) =>
    concurrency === null ? Number.POSITIVE_INFINITY : concurrency - permitsHeld;
  return new Map(rows.map((row) => [row.key, left(row)]));
}
