/** The rows of limits: locked, and read under their locks. */
import { sql } from "kysely";
import { countFree, type KeyLimits, type Limit, UNLIMITED } from "../../domain/limit.ts";
import { parentKeyOf } from "../../domain/limit-keys.ts";
import type { Db } from "../database.ts";
import type { Transaction } from "../transaction.ts";

export interface LimitRow extends Limit {
  hasWaiting: boolean;
  /** What a row is made with for each key of this queue that a run names; null: none is. */
  perKey: KeyLimits | null;
}

const LOCK = {
  name: "lock-limits",
  text: `SELECT key, concurrency, permits_held AS "permitsHeld", has_waiting AS "hasWaiting", per_key AS "perKey",
      coalesce(paused_until > clock_timestamp(), false) AS "isPaused",
      EXISTS (SELECT FROM returned_permits b WHERE b.key = l.key) AS "hasReturned"
    FROM run_limits l WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE`,
};

/** Nobody makes or removes a row of a queue's key without the lock of the queue's own row. */
const MAKE = {
  name: "make-limits-of-keys",
  text: `INSERT INTO run_limits (key, namespace_id, parent_key, concurrency)
    SELECT m.key, q.namespace_id, q.key, m.concurrency
    FROM json_to_recordset($1::json) AS m(key text, parent_key text, concurrency int)
      JOIN run_limits q ON q.key = m.parent_key
    ORDER BY m.key ON CONFLICT DO NOTHING`,
};

/** With those of the queues that keys stand in. */
export const withQueues = (keys: Iterable<string>): string[] => [
  ...new Set([...keys].flatMap((key) => [key, parentKeyOf(key) ?? key])),
];

/**
 * Those of the keys that have a limit, with what was given back counted off. Sorted, so that two who lock several wait for
 * each other in one direction only: the keys of queues come last, and nobody locks one without its queue, which comes
 * first.
 *
 * @param keys with their queues
 */
export async function lockLimits(tx: Transaction, keys: string[]): Promise<LimitRow[]> {
  const ofQueues = keys.filter((key) => parentKeyOf(key) !== undefined);
  const rows = await lockSome(
    tx,
    keys.filter((key) => parentKeyOf(key) === undefined),
  );
  if (ofQueues.length === 0) return rows;
  const perKey = new Map(rows.map((row) => [row.key, row.perKey]));
  const made = ofQueues.flatMap((key) => {
    const parentKey = parentKeyOf(key)!;
    const limits = perKey.get(parentKey);
    return limits ? [{ key, parent_key: parentKey, concurrency: limits.concurrency ?? UNLIMITED }] : [];
  });
  if (made.length > 0) await tx.pool.query({ ...MAKE, values: [JSON.stringify(made)] });
  return [...rows, ...(await lockSome(tx, ofQueues))];
}

async function lockSome(tx: Transaction, keys: string[]): Promise<LimitRow[]> {
  if (keys.length === 0) return [];
  const { rows } = await tx.pool.query<LimitRow & { hasReturned: boolean }>({ ...LOCK, values: [keys] });
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
export const toFree = (rows: LimitRow[]): Map<string, number> =>
  new Map(rows.map((row) => [row.key, countFree(row)]));

/** `countFree` for a statement that looks at lines: at most so many of each; a key that is not in `free` has no limit. */
export const toLookText = (keys: string[], free: ReadonlyMap<string, number>, most: number): string =>
  JSON.stringify(keys.map((key) => ({ key, free: Math.min(most, free.get(key) ?? most) })));

/** Where runs wait for it the row stays until they were let go (grant-permits.ts). */
export async function removeLimit(tx: Db, key: string): Promise<void> {
  await sql`DELETE FROM run_limits WHERE key = ${key} AND NOT has_waiting`.execute(tx);
  await sql`UPDATE run_limits SET concurrency = NULL WHERE key = ${key}`.execute(tx);
}
