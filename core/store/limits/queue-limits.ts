/**
 * The limits of a queue as its row has them. A queue that limits nothing has no row of `run_limits`; each key of a queue
 * with limits per key gets one when a run with it is claimed (limit-rows.ts), and loses it when no run holds it or waits.
 */
import { type RawBuilder, sql } from "kysely";
import { type KeyLimits, UNLIMITED } from "../../domain/limit.ts";
import { DEFAULT_QUEUE, queueKey } from "../../domain/limit-keys.ts";
import type { QueueLimits } from "../../domain/queue.ts";
import type { Db, Store } from "../database.ts";
import { removeLimit, toKeyColumns, toRateColumns } from "./limit-rows.ts";
import { LIMIT_KEYS, NOW_MS } from "./permits.ts";
import { recountLocked } from "./recount-permits.ts";

export interface QueueRow {
  namespaceId: string;
  name: string;
  limits: QueueLimits;
  /** Infinity: until it is resumed; null: it is not paused. */
  pausedUntil: Date | number | null;
}

const limitsAnything = ({ concurrency, rate, perKey, restOn429 }: QueueLimits): boolean =>
  !!(concurrency ?? rate ?? perKey) || restOn429;

/** A count that takes longer has crashed: then the next recount does it. */
export const UNCOUNTED_UNTIL = sql`clock_timestamp() + interval '10 seconds'`;
/**
 * That stands already, or is where claims that are under way know of no keys: they would start runs that have no row. Or it
 * is the row of a limit that was removed while runs waited: those of `default` have started since without a permit.
 */
export const IS_UNCOUNTED = sql`(l.uncounted_until > clock_timestamp() OR l.concurrency IS NULL
  OR (l.per_key IS NULL AND excluded.per_key IS NOT NULL))`;

/**
 * In the transaction that changes the queue, with its row locked. True: its limit is new, or holds per key from now on, and
 * its count begins full, until what is under way is counted (count-new-limit.ts). So it is where another limit is set
 * before that.
 */
export async function saveQueueLimit(tx: Db, queue: QueueRow): Promise<boolean> {
  const { namespaceId, name, limits, pausedUntil } = queue;
  const key = queueKey(namespaceId, name);
  await saveKeyLimits(tx, key, limits.perKey);
  if (!limitsAnything(limits) && pausedUntil === null) {
    await sql`UPDATE run_limits SET is_default = false, is_called_out = false, per_key = NULL, paused_until = NULL, rate_interval_ms = NULL,
      rate_burst = NULL, rate_used_until_ms = 0 WHERE key = ${key}`.execute(tx);
    await removeLimit(tx, key);
    return false;
  }
  const perKey = limits.perKey && JSON.stringify(limits.perKey);
  const rateColumns = toRateColumns(limits.rate);
  const concurrency = limits.concurrency ?? UNLIMITED;
  const { rows } = await sql<{ isUncounted: boolean }>`
    INSERT INTO run_limits AS l (key, namespace_id, concurrency, permits_held, uncounted_until, is_default, per_key, paused_until,
      rate_interval_ms, rate_burst)
    VALUES (${key}, ${namespaceId}, ${concurrency}, ${concurrency}, ${UNCOUNTED_UNTIL}, ${name === DEFAULT_QUEUE},
      ${perKey}::jsonb, ${pausedUntil}::timestamptz, ${rateColumns.rate_interval_ms}, ${rateColumns.rate_burst})
    ON CONFLICT (key) DO UPDATE SET concurrency = excluded.concurrency, is_default = excluded.is_default,
      permits_held = CASE WHEN ${IS_UNCOUNTED} THEN excluded.permits_held ELSE l.permits_held END,
      uncounted_until = CASE WHEN ${IS_UNCOUNTED} THEN excluded.uncounted_until END,
      per_key = excluded.per_key, paused_until = ${endOfPause("l", sql`excluded.paused_until`)},
      rate_interval_ms = excluded.rate_interval_ms, rate_burst = excluded.rate_burst,
      rate_used_until_ms = ${usedUntilMs("l", rateColumns)}, is_called_out = false
    RETURNING l.uncounted_until IS NOT NULL AS "isUncounted"`.execute(tx);
  if (rows[0]!.isUncounted) return true;
  const keys = await makeKeysUnderWay(tx, key);
  if (keys.length > 0) await recountLocked(tx, [key, ...keys]);
  return false;
}

/** The same where it is paused or resumed and nothing else: no row of its keys is written. */
export async function saveQueuePause(tx: Db, queue: QueueRow): Promise<boolean> {
  const { namespaceId, name, limits, pausedUntil } = queue;
  if (!limitsAnything(limits)) return await saveQueueLimit(tx, queue);
  await sql`UPDATE run_limits SET paused_until = ${endOfPause("run_limits", sql`${pausedUntil}::timestamptz`)}, is_called_out = false
    WHERE key = ${queueKey(namespaceId, name)}`.execute(tx);
  return false;
}

/** Of a pause that is over the end stays: no start was late before it (permits.ts). */
function endOfPause(table: "l" | "run_limits", pausedUntil: RawBuilder<unknown>) {
  const standing = sql.ref(`${table}.paused_until`);
  return sql`coalesce(${pausedUntil},
    CASE WHEN ${standing} IS NOT NULL THEN least(${standing}, clock_timestamp()) END)`;
}

interface RateColumns {
  rate_interval_ms: number | null;
  rate_burst: number | null;
}

/** Of a row that gets this rate: as many starts are used as were of the one before, as far as they fit into a burst. */
function usedUntilMs(table: "l" | "run_limits", { rate_interval_ms, rate_burst }: RateColumns) {
  if (rate_interval_ms === null) return sql<number>`0`;
  const [now, intervalMs, usedUntil] = [
    sql.raw(NOW_MS),
    sql.ref(`${table}.rate_interval_ms`),
    sql.ref(`${table}.rate_used_until_ms`),
  ];
  return sql<number>`CASE WHEN ${intervalMs} IS NULL THEN 0 ELSE ${now} + ${rate_interval_ms}::float8 *
    least(greatest(${usedUntil} - ${now}, 0) / ${intervalMs}, ${rate_burst}::int) END`;
}

/** The lock of the queue's row comes before those of its keys. */
async function saveKeyLimits(tx: Db, key: string, perKey: KeyLimits | null): Promise<void> {
  await sql`SELECT FROM run_limits WHERE key = ${key} FOR UPDATE`.execute(tx);
  await sql`SELECT FROM run_limits WHERE parent_key = ${key} ORDER BY key FOR UPDATE`.execute(tx);
  for (const kind of ["queue:", "rate:"]) {
    const columns = perKey
      ? toKeyColumns(kind, perKey)
      : { concurrency: null, rate_interval_ms: null, rate_burst: null };
    await tx
      .updateTable("run_limits")
      .set({ ...columns, rate_used_until_ms: usedUntilMs("run_limits", columns), is_called_out: false })
      .where("parent_key", "=", key)
      .where("key", "like", `${kind}%`)
      .execute();
  }
  if (!perKey) await sql`DELETE FROM run_limits WHERE parent_key = ${key} AND NOT has_waiting`.execute(tx);
}

/**
 * Rows for the keys of runs that began before this queue had limits per key: they are to be counted. Under the lock of its
 * row, which says what holds now.
 */
export async function makeKeysUnderWay(tx: Db, key: string): Promise<string[]> {
  const { rows } = await sql<{ key: string }>`
    INSERT INTO run_limits (key, namespace_id, parent_key, concurrency)
    SELECT DISTINCT ON (k.key) k.key, q.namespace_id, q.key, coalesce((q.per_key ->> 'concurrency')::int, ${UNLIMITED}::int)
    FROM run_limits q, task_runs_open r, unnest(${sql.raw(LIMIT_KEYS)}) AS k(key)
    WHERE q.key = ${key} AND q.per_key IS NOT NULL
      AND r.state IN ('running', 'deferred') AND starts_with(k.key, ${`${key}/`})
    ORDER BY k.key ON CONFLICT (key) DO UPDATE SET parent_key = excluded.parent_key RETURNING key`.execute(
    tx,
  );
  return rows.map(({ key }) => key);
}

/** What a row that is made anew would know as well. */
const IS_IDLE = `l.permits_held = 0 AND NOT l.has_waiting AND l.rate_used_until_ms <= ${NOW_MS}`;

/**
 * Removes the rows of keys that no run holds or waits for, up to `limit`. Under the lock of their queue: whoever is about
 * to take a permit of one has it.
 */
export async function removeIdleKeys(store: Store, limit: number): Promise<number> {
  const { rowCount } = await store.pool.query(
    `WITH idle AS MATERIALIZED (
       SELECT key, parent_key FROM run_limits l WHERE parent_key IS NOT NULL AND ${IS_IDLE} LIMIT $1
     ), queues AS MATERIALIZED (
       SELECT q.key FROM run_limits q WHERE q.key IN (SELECT parent_key FROM idle) ORDER BY q.key FOR UPDATE SKIP LOCKED
     )
     DELETE FROM run_limits l USING idle i, queues q
     WHERE l.key = i.key AND q.key = i.parent_key AND ${IS_IDLE}`,
    [limit],
  );
  return rowCount ?? 0;
}
