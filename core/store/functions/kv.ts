/** What a function remembers: keys and values of its own, with versions for compare-and-set, within quotas. */
import type pg from "pg";
import type { Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";

export interface KvEntry {
  key: string;
  /** JSON text. */
  value: string;
  /** Another one after each write. */
  version: string;
}

/** Of one function: keys and their values, in bytes of UTF-8. */
export interface KvQuota {
  keys: number;
  bytes: number;
}

export type KvWritten = { version: string } | "conflict" | "quota";

export async function getKv(store: Store, functionId: string, key: string): Promise<KvEntry | undefined> {
  const { rows } = await store.pool.query<KvEntry>({
    name: "kv-get",
    text: "SELECT key, value, version::text FROM function_kv WHERE function_id = $1 AND key = $2",
    values: [functionId, key],
  });
  return rows[0];
}

// The verdict is taken under the lock of the usage's row, in a statement that began after it was had.
const SET = `
  WITH old AS MATERIALIZED (SELECT version::text, bytes FROM function_kv WHERE function_id = $1 AND key = $2),
  verdict AS MATERIALIZED (
    SELECT CASE
      WHEN $5 AND (SELECT version FROM old) IS DISTINCT FROM $6 THEN 'conflict'
      WHEN keys + (NOT EXISTS (SELECT FROM old))::int > $7
        OR bytes - coalesce((SELECT bytes FROM old), 0) + $4::int > $8 THEN 'quota'
      ELSE 'ok' END AS said
    FROM function_kv_usage WHERE function_id = $1
  ), written AS (
    INSERT INTO function_kv (function_id, key, value, bytes, version)
    SELECT $1, $2, $3, $4, nextval('function_kv_version') FROM verdict WHERE said = 'ok'
    ON CONFLICT (function_id, key) DO UPDATE
      SET value = excluded.value, bytes = excluded.bytes, version = excluded.version, updated_at = now()
    RETURNING version::text
  ), counted AS (
    UPDATE function_kv_usage
    SET keys = keys + (NOT EXISTS (SELECT FROM old))::int, bytes = bytes - coalesce((SELECT bytes FROM old), 0) + $4::int
    WHERE function_id = $1 AND EXISTS (SELECT FROM written)
  )
  SELECT said, (SELECT version FROM written) AS version FROM verdict`;

/**
 * @param ifVersion undefined: whatever is there; null: only where nothing is; else only where this version is
 */
export async function setKv(
  store: Store,
  functionId: string,
  { key, value, ifVersion }: { key: string; value: string; ifVersion: string | null | undefined },
  quota: KvQuota,
): Promise<KvWritten> {
  return await withUsageLocked(store, functionId, async (client) => {
    const { rows } = await client.query<{ said: "ok" | "conflict" | "quota"; version: string }>({
      name: "kv-set",
      text: SET,
      values: [
        ...[functionId, key, value, Buffer.byteLength(key) + Buffer.byteLength(value)],
        ...[ifVersion !== undefined, ifVersion ?? null, quota.keys, quota.bytes],
      ],
    });
    const { said, version } = rows[0]!;
    return said === "ok" ? { version } : said;
  });
}

const DELETE = `
  WITH gone AS (
    DELETE FROM function_kv WHERE function_id = $1 AND key = $2 AND ($3::text IS NULL OR version::text = $3)
    RETURNING bytes
  ), counted AS (
    UPDATE function_kv_usage SET keys = keys - 1, bytes = bytes - (SELECT bytes FROM gone)
    WHERE function_id = $1 AND EXISTS (SELECT FROM gone)
  )
  SELECT count(*)::int AS count FROM gone`;

/** Whether something was deleted: not where nothing was, or another version than `ifVersion`. */
export async function deleteKv(
  store: Store,
  functionId: string,
  key: string,
  ifVersion: string | undefined,
): Promise<boolean> {
  return await withUsageLocked(store, functionId, async (client) => {
    const { rows } = await client.query<{ count: number }>({
      name: "kv-delete",
      text: DELETE,
      values: [functionId, key, ifVersion ?? null],
    });
    return rows[0]!.count > 0;
  });
}

export interface KvPage {
  entries: KvEntry[];
  /** The last key, where there are more. */
  after: string | null;
}

/** However many are asked for, a page holds no more than this, but for one entry alone. */
const MAX_PAGE_BYTES = 1_000_000;

/** In the order of the keys' bytes. */
export async function listKv(
  store: Store,
  functionId: string,
  { prefix, after, limit }: { prefix: string; after: string | undefined; limit: number },
): Promise<KvPage> {
  const { rows } = await store.pool.query<KvEntry & { fits: boolean }>({
    name: "kv-list",
    text: `SELECT key, value, version::text, sum(bytes) OVER (ORDER BY key) - bytes < $5 AS fits
      FROM (SELECT * FROM function_kv WHERE function_id = $1 AND key >= $2 AND starts_with(key, $2)
        AND ($3::text IS NULL OR key > $3) ORDER BY key LIMIT $4) AS page ORDER BY key`,
    values: [functionId, prefix, after ?? null, limit + 1, MAX_PAGE_BYTES],
  });
  const shown = rows.slice(0, limit).filter(({ fits }) => fits);
  return {
    entries: shown.map(({ key, value, version }) => ({ key, value, version })),
    after: shown.length < rows.length ? shown.at(-1)!.key : null,
  };
}

/** Writers of one function wait for each other, so that its usage stays exact. */
async function withUsageLocked<T>(
  store: Store,
  functionId: string,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  return await inTransaction(store.pool, async ({ pool: client }) => {
    const lock = {
      name: "kv-lock",
      text: "SELECT FROM function_kv_usage WHERE function_id = $1 FOR UPDATE",
      values: [functionId],
    };
    const { rowCount } = await client.query(lock);
    if (rowCount === 0) {
      await client.query(
        "INSERT INTO function_kv_usage (function_id) VALUES ($1) ON CONFLICT (function_id) DO NOTHING",
        [functionId],
      );
      await client.query(lock);
    }
    return await work(client);
  });
}
