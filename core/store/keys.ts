/** Namespaces and the keys bound to them. A key is stored as its SHA-256 only; 256 random bits need no slow hash. */
import { createHash, randomBytes } from "node:crypto";
import { sql } from "kysely";
import { fillNamespaceLimits, type NamespaceLimits } from "../domain/namespace-limits.ts";
import type { NamespaceGrant } from "../domain/token-grants.ts";
import type { Db, QueryScope } from "./database.ts";
import { newId } from "./ids.ts";

export const DEFAULT_NAMESPACE = "default";
/** In the namespace `default` it names the keys of the setting BELLHOP_API_KEY, and nowhere any other. */
export const SETTING_KEY_NAME = "admin";

export interface KeyOwner {
  keyId: string;
  keyName: string;
  /** Where it acts. */
  namespaceId: string;
  namespace: string;
  scopes: string[];
  /** The functions that it is for; null: it is not bound to any. */
  functions: string[] | null;
  /** Of the namespace where it acts; null: none. */
  limits: NamespaceLimits | null;
  /** When the secret that was shown ends: with its key, or before, where it is the one before a rotation. */
  expiresAt: Date | null;
  /** Of who came with a token of the OpenID provider instead of a key: id and name above are the subject's. */
  token?: TokenOwner;
}

export interface TokenOwner {
  issuer: string;
  /** Where it may act, and as what. */
  grants: readonly NamespaceGrant[];
}

/** A key that was looked up. */
export interface FoundKey {
  owner: KeyOwner;
  /** For how long it stays valid, unless it is revoked; null: it does not expire. */
  validForMs: number | null;
  /** That it is used is to be recorded: it was not for a while. */
  isUseDue: boolean;
}

export function generateKey(): string {
  return `bh_${randomBytes(32).toString("base64url")}`;
}

export function hashKey(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

export async function ensureNamespace(db: Db, name: string): Promise<string> {
  await db
    .insertInto("namespaces")
    .values({ id: newId(), name })
    .onConflict((on) => on.column("name").doNothing())
    .execute();
  const { id } = await db
    .selectFrom("namespaces")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirstOrThrow();
  return id;
}

/**
 * The owners of the setting's keys, in its order. Their rows give them ids, which stay from start to start, and let an API of
 * the release before know them; whether such a key is valid, each API's own setting says, and never its row.
 */
export async function recordSettingKeys({ db }: QueryScope, keys: readonly string[]): Promise<KeyOwner[]> {
  const namespaceId = await ensureNamespace(db, DEFAULT_NAMESPACE);
  const owners: KeyOwner[] = [];
  for (const key of keys) {
    const { rows } = await sql<{ id: string }>`
      INSERT INTO api_keys (id, namespace_id, name, key_hash, scopes)
      VALUES (${newId()}, ${namespaceId}, ${SETTING_KEY_NAME}, ${hashKey(key)}, '{admin}')
      ON CONFLICT (key_hash) DO UPDATE SET
        revoked_at = CASE WHEN api_keys.name = ${SETTING_KEY_NAME} THEN NULL ELSE api_keys.revoked_at END
      RETURNING id`.execute(db);
    owners.push({
      ...{ keyId: rows[0]!.id, keyName: SETTING_KEY_NAME, namespaceId, namespace: DEFAULT_NAMESPACE },
      ...{ scopes: ["operator"], functions: null, limits: null, expiresAt: null },
    });
  }
  return owners;
}

/** A key's last use is recorded at most so often. */
export const USE_RECORDED_EVERY_MS = 60_000;

/** Of `api_keys` k in `namespaces` n: not one of the setting. */
export const IS_STORED = `NOT (k.name = '${SETTING_KEY_NAME}' AND n.name = '${DEFAULT_NAMESPACE}')`;
const IS_VALID = `k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AND n.closed_at IS NULL
  AND ${IS_STORED}`;
const USE_IS_DUE = `(k.last_used_at IS NULL
  OR k.last_used_at < now() - ${USE_RECORDED_EVERY_MS} * interval '1 millisecond')`;

const FIND_KEY = `
  SELECT k.id AS "keyId", k.name AS "keyName", n.id AS "namespaceId", n.name AS namespace, k.scopes, k.functions, n.limits,
    s.expires_at AS "expiresAt", ${USE_IS_DUE} AS "isUseDue",
    (extract(epoch FROM s.expires_at - now()) * 1000)::float8 AS "validForMs"
  FROM api_keys k JOIN namespaces n ON n.id = k.namespace_id,
    LATERAL (SELECT least(k.expires_at, CASE WHEN k.key_hash <> $1 THEN k.previous_until END) AS expires_at) s
  WHERE (k.key_hash = $1 OR (k.previous_hash = $1 AND k.previous_until > now())) AND ${IS_VALID}`;

/** Undefined where the key is unknown, expired or revoked, or one of the setting. */
export async function findKey({ pool }: QueryScope, key: string): Promise<FoundKey | undefined> {
  const { rows } = await pool.query<KeyOwner & Pick<FoundKey, "validForMs" | "isUseDue">>({
    name: "find-key",
    text: FIND_KEY,
    values: [hashKey(key)],
  });
  if (!rows[0]) return undefined;
  const { validForMs, isUseDue, limits, ...owner } = rows[0];
  return {
    owner: { ...owner, limits: fillNamespaceLimits(limits) },
    validForMs,
    isUseDue,
  };
}

/** Those of the hashes that open something. `timeoutMs`: it is given up then, with its connection. */
export async function findValidHashes(
  { pool }: QueryScope,
  hashes: Buffer[],
  timeoutMs?: number,
): Promise<Buffer[]> {
  const { rows } = await pool.query<{ hash: Buffer }>({
    ...(timeoutMs === undefined ? {} : { query_timeout: timeoutMs }),
    text: `SELECT h.hash FROM unnest($1::bytea[]) AS h (hash) WHERE EXISTS (
       SELECT FROM api_keys k JOIN namespaces n ON n.id = k.namespace_id
       WHERE (k.key_hash = h.hash OR (k.previous_hash = h.hash AND k.previous_until > now())) AND ${IS_VALID})`,
    values: [hashes],
  });
  return rows.map(({ hash }) => hash);
}

/** Of two that record it at once, one does. */
export async function recordKeyUse({ pool }: QueryScope, keyId: string): Promise<void> {
  await pool.query({
    name: "record-key-use",
    text: `UPDATE api_keys k SET last_used_at = now() WHERE id = $1 AND ${USE_IS_DUE}`,
    values: [keyId],
  });
}
