/** Permits that were laid beside the count of their limit (permits.ts) are counted off. */
import type { Store } from "../database.ts";
import { RETURNED, staysRoomy } from "./permits.ts";

const fold = (name: string, lock: string) => ({
  name,
  text: `
    WITH limits AS MATERIALIZED (
      SELECT key, has_waiting, concurrency, permits_held FROM run_limits WHERE key = ANY($1::text[]) ORDER BY key ${lock}
    ), folded AS (
      DELETE FROM returned_permits WHERE key = ANY(ARRAY(SELECT key FROM limits)) RETURNING key, count
    ), returned AS MATERIALIZED (
      SELECT key, sum(count)::int AS count FROM folded GROUP BY key
    ), counted AS (
      UPDATE run_limits l SET permits_held = greatest(l.permits_held - n.count, 0) FROM returned n
      WHERE l.key = n.key
    )
    SELECT l.key, l.has_waiting AS "hasWaiting", ${staysRoomy("l.permits_held - coalesce(n.count, 0)")} AS "isFar"
    FROM limits l LEFT JOIN returned n ON n.key = l.key`,
});

/** A key that is locked is counted off by who has it, or by the next look: nobody waits here while it holds others. */
const FOLD_IDLE = fold("fold-idle-permits", "FOR UPDATE SKIP LOCKED");
const FOLD_NEAR = fold("fold-near-permits", "FOR UPDATE");

const REMOVE_OF_GONE = `DELETE FROM returned_permits b WHERE key = ANY($1::text[])
  AND NOT EXISTS (SELECT FROM run_limits l WHERE l.key = b.key)`;

const FIND = `SELECT DISTINCT key FROM returned_permits WHERE key > $1 ORDER BY key LIMIT $2`;

/** Of all keys, so many at a time: no claim may come that would do it. */
export async function foldAllReturned({ pool }: Store, batch: number): Promise<void> {
  for (let last = "", found = batch; found === batch; ) {
    const { rows } = await pool.query<{ key: string }>(FIND, [last, batch]);
    found = rows.length;
    if (found === 0) return;
    const keys = rows.map(({ key }) => key);
    last = keys.at(-1)!;
    await pool.query({ ...FOLD_IDLE, values: [keys] });
    await pool.query(REMOVE_OF_GONE, [keys]);
  }
}

/** Of keys of which few permits are left as they are counted: those that runs wait for, and whether they all are far off after all. */
export async function foldReturned(
  { pool }: Store,
  keys: string[],
): Promise<{ wanted: string[]; areFar: boolean }> {
  const { rows } = await pool.query<{ key: string; hasWaiting: boolean; isFar: boolean | null }>({
    ...FOLD_NEAR,
    values: [keys],
  });
  const wanted = rows.filter(({ hasWaiting }) => hasWaiting).map(({ key }) => key);
  return { wanted, areFar: rows.every(({ isFar }) => isFar === true) };
}

/** Whether a permit of the key is left after all, for who was refused one by its count. */
export async function findPermitLeft({ pool }: Store, key: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `SELECT FROM run_limits l WHERE key = $1 AND NOT has_waiting AND permits_held - ${RETURNED} < concurrency`,
    [key],
  );
  if (rowCount === 0) return false;
  await pool.query({ ...FOLD_NEAR, values: [[key]] });
  return true;
}
