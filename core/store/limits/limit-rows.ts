/** The rows of limits: locked, and read under their locks. */
import { sql } from "kysely";
import { countFree, type KeyLimits, type Limit, UNLIMITED } from "../../domain/limit.ts";
import { isRateKey, parentKeyOf } from "../../domain/limit-keys.ts";
import { burstOf, intervalOf, type Rate } from "../../domain/rate.ts";
import type { Db } from "../database.ts";
import type { Transaction } from "../transaction.ts";
import { NOW_MS, PLENTY } from "./permits.ts";

export interface LimitRow extends Limit {
  hasWaiting: boolean;
  /** What a row is made with for each key of this queue that a run names; null: none is. */
  perKey: KeyLimits | null;
  /** Of the moment of the look, which may be a little before the lock was had: then fewer may start, never more. */
  nowMs: number;
}

const LOCK = {
  name: "lock-limits",
  text: `SELECT key, concurrency, permits_held AS "permitsHeld", has_waiting AS "hasWaiting", per_key AS "perKey",
      coalesce(greatest(paused_until, uncounted_until) > clock_timestamp(), false) AS "isPaused", ${NOW_MS} AS "nowMs",
      CASE WHEN rate_interval_ms IS NOT NULL THEN json_build_object('intervalMs', rate_interval_ms, 'burst', rate_burst,
        'fullAtMs', rate_used_until_ms) END AS bucket,
      EXISTS (SELECT FROM returned_permits b WHERE b.key = l.key) AS "hasReturned"
    FROM run_limits l WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE`,
};

/** Nobody makes or removes a row of a queue's key without the lock of the queue's own row. */
const MAKE = {
  name: "make-limits-of-keys",
  text: `INSERT INTO run_limits (key, namespace_id, parent_key, concurrency, rate_interval_ms, rate_burst)
    SELECT m.key, q.namespace_id, q.key, m.concurrency, m.rate_interval_ms, m.rate_burst
    FROM json_to_recordset($1::json) AS m(key text, parent_key text, concurrency int, rate_interval_ms float8,
      rate_burst int)
      JOIN run_limits q ON q.key = m.parent_key
    ORDER BY m.key ON CONFLICT DO NOTHING`,
};

/** The limits of a key of a queue, as its row has them: one key counts what runs, the other what starts. */
export function toKeyColumns(key: string, { concurrency, rate }: KeyLimits) {
  return isRateKey(key)
    ? { concurrency: UNLIMITED, ...toRateColumns(rate) }
    : { concurrency: concurrency ?? UNLIMITED, ...toRateColumns(null) };
}

export const toRateColumns = (rate: Rate | null) => ({
  rate_interval_ms: rate && intervalOf(rate),
  rate_burst: rate && burstOf(rate),
});

/** With those of the queues that keys stand in. */
export const withQueues = (keys: Iterable<string>): string[] => [
  ...new Set([...keys].flatMap((key) => [key, parentKeyOf(key) ?? key])),
];

/**
 * Those of the keys that have a limit, with what was given back counted off. Sorted, so that two who lock several wait for
 * each other in one direction only; a queue sorts before its keys. Rows of keys that are made here come after all others:
 * nobody else can have them.
 */
export async function lockLimits(tx: Transaction, keys: string[]): Promise<LimitRow[]> {
  const all = withQueues(keys);
  const rows = await lockRows(tx, all);
  const found = new Map(rows.map((row) => [row.key, row]));
  const made = all.flatMap((key) => {
    const parentKey = parentKeyOf(key);
    const perKey = parentKey !== undefined && !found.has(key) && found.get(parentKey)?.perKey;
    return perKey ? [{ key, parent_key: parentKey, ...toKeyColumns(key, perKey) }] : [];
  });
  if (made.length > 0) {
    await tx.pool.query({ ...MAKE, values: [JSON.stringify(made)] });
    const further = made.map(({ key }) => key);
    rows.push(...(await lockRows(tx, further)));
  }
  if (!rows.some(mayHaveReturned)) return rows;
  const counts = await foldReturned(tx, all);
  return rows.map((row) => ({ ...row, permitsHeld: counts.get(row.key) ?? row.permitsHeld }));
}

interface LockedRow extends LimitRow {
  hasReturned: boolean;
}

async function lockRows(tx: Transaction, keys: string[]): Promise<LockedRow[]> {
  if (keys.length === 0) return [];
  return (await tx.pool.query<LockedRow>({ ...LOCK, values: [keys] })).rows;
}

/**
 * Whoever waited for the lock does not see what came back meanwhile. That is looked for where permits are many; where they
 * are few it is counted by the end's next statement, or within a second by the scheduler, and a run waits so long.
 */
const mayHaveReturned = ({ hasReturned, concurrency }: LockedRow) =>
  hasReturned || (concurrency !== null && concurrency >= PLENTY && concurrency < UNLIMITED);

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

/** Of keys whose locks are held: the counts that changed. */
async function foldReturned(tx: Transaction, keys: string[]): Promise<Map<string, number>> {
  const { rows } = await tx.pool.query<{ key: string; count: number }>({ ...FOLD, values: [keys] });
  return new Map(rows.map(({ key, count }) => [key, count]));
}

/** How many runs of each key may start. */
export const toFree = (rows: LimitRow[]): Map<string, number> =>
  new Map(rows.map((row) => [row.key, countFree(row, row.nowMs)]));

/** `countFree` for a statement that looks at lines: at most so many of each; a key that is not in `free` has no limit. */
export const toLookText = (keys: string[], free: ReadonlyMap<string, number>, most: number): string =>
  JSON.stringify(keys.map((key) => ({ key, free: Math.min(most, free.get(key) ?? most) })));

/** Where runs wait for it the row stays until they were let go (grant-permits.ts). */
export async function removeLimit(tx: Db, key: string): Promise<void> {
  await sql`DELETE FROM run_limits WHERE key = ${key} AND NOT has_waiting`.execute(tx);
  await sql`DELETE FROM returned_permits b WHERE key = ${key}
    AND NOT EXISTS (SELECT FROM run_limits l WHERE l.key = b.key)`.execute(tx);
  await sql`UPDATE run_limits SET concurrency = NULL WHERE key = ${key}`.execute(tx);
}
