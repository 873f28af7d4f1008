/**
 * Keys of a namespace: made, listed, rotated, revoked. A key's states: valid → expired, or revoked. It keeps its id through
 * rotations, after which the secret before stays valid for a while. The setting's keys are none of these.
 */
import type { StoredKey } from "../contracts/key.ts";
import { BellhopError, conflict } from "../errors.ts";
import type { QueryScope } from "./database.ts";
import { isId } from "./ids.ts";
import { generateKey, hashKey, IS_STORED } from "./keys.ts";
import { lockOpenNamespace } from "./namespaces.ts";
import type { Transaction } from "./transaction.ts";

/** Of a namespace, of those that are valid. */
export const MAX_KEYS = 1_000;
const ENDING_CHARS = 4;

export interface NewKey extends Pick<StoredKey, "id" | "name" | "scopes" | "functions" | "expiresAt"> {
  namespaceId: string;
}

/** A key and its secret, which is shown this once. */
export interface KeyWithSecret {
  key: StoredKey;
  secret: string;
}

const IS_VALID = "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())";
/** Neither of a key's secrets opens anything once the key has expired. */
const PREVIOUS_UNTIL = "least(k.previous_until, k.expires_at)";
const COLUMNS = `k.id, k.name, k.scopes, k.functions, k.ending, k.created_at AS "createdAt", k.expires_at AS "expiresAt",
  k.last_used_at AS "lastUsedAt", k.revoked_at AS "revokedAt",
  CASE WHEN ${IS_VALID} AND k.previous_until > now() THEN ${PREVIOUS_UNTIL} END AS "previousUntil"`;
const OF_NAMESPACE = `FROM api_keys k JOIN namespaces n ON n.id = k.namespace_id
  WHERE k.namespace_id = $1 AND ${IS_STORED}`;

/** 409 where the namespace has as many as it may, or is being deleted. */
export async function createKey(tx: Transaction, given: NewKey): Promise<KeyWithSecret> {
  const { id, namespaceId, name, scopes, functions, expiresAt } = given;
  await lockOpenNamespace(tx, namespaceId);
  const secret = generateKey();
  const { rows } = await tx.pool.query<StoredKey>(
    `INSERT INTO api_keys AS k (id, namespace_id, name, key_hash, ending, scopes, functions, expires_at)
     SELECT $2, $1, $3, $4, $5, $6, $7, $8 WHERE (SELECT count(*) ${OF_NAMESPACE} AND ${IS_VALID}) < $9
     RETURNING ${COLUMNS}`,
    [namespaceId, id, name, hashKey(secret), endingOf(secret), scopes, functions, expiresAt, MAX_KEYS],
  );
  if (rows[0]) return { key: rows[0], secret };
  const message = `A namespace has at most ${MAX_KEYS} valid keys: revoke one first.`;
  throw new BellhopError("too_many_keys", 409, message);
}

/** Newest first; one more than `limit`, so that the caller knows whether there is a next page. */
export async function listKeys(
  { pool }: QueryScope,
  namespaceId: string,
  limit: number,
  beforeId: string | undefined,
): Promise<StoredKey[]> {
  const { rows } = await pool.query<StoredKey>(
    `SELECT ${COLUMNS} ${OF_NAMESPACE} AND ($2::uuid IS NULL OR k.id < $2) ORDER BY k.id DESC LIMIT $3`,
    [namespaceId, beforeId ?? null, limit + 1],
  );
  return rows;
}

export async function findStoredKey(
  { pool }: QueryScope,
  namespaceId: string,
  id: string,
): Promise<StoredKey | undefined> {
  if (!isId(id)) return undefined;
  const { rows } = await pool.query<StoredKey>(`SELECT ${COLUMNS} ${OF_NAMESPACE} AND k.id = $2`, [
    namespaceId,
    id,
  ]);
  return rows[0];
}

/** valid or expired → revoked; one that is revoked stays so from when it was. */
export async function revokeKey({ pool }: QueryScope, id: string): Promise<void> {
  await pool.query("UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", [id]);
}

/** Removes up to `limit` keys that were revoked or expired before that instant; how many. Those of the setting stay. */
export async function removeEndedKeys({ pool }: QueryScope, before: Date, limit: number): Promise<number> {
  const { rowCount } = await pool.query(
    `DELETE FROM api_keys WHERE id = ANY(ARRAY(
       SELECT k.id FROM api_keys k JOIN namespaces n ON n.id = k.namespace_id
       WHERE (k.revoked_at IS NOT NULL OR k.expires_at IS NOT NULL) AND least(k.revoked_at, k.expires_at) < $1
         AND ${IS_STORED} ORDER BY least(k.revoked_at, k.expires_at) LIMIT $2))`,
    [before, limit],
  );
  return rowCount ?? 0;
}

/**
 * Another secret; the one before stays valid for `overlapMs`. 409 where the key is not valid, or the secret before its last
 * rotation still is: somebody may not have changed to the new one yet. Without an overlap all before it end.
 */
export async function rotateKey({ pool }: QueryScope, id: string, overlapMs: number): Promise<KeyWithSecret> {
  const secret = generateKey();
  const { rows } = await pool.query<StoredKey>(
    `UPDATE api_keys k SET key_hash = $2, ending = $3, previous_hash = k.key_hash,
       previous_until = now() + $4 * interval '1 millisecond'
     WHERE k.id = $1 AND ${IS_VALID} AND ($4 = 0 OR NOT coalesce(k.previous_until > now(), false))
     RETURNING ${COLUMNS}`,
    [id, hashKey(secret), endingOf(secret), overlapMs],
  );
  if (rows[0]) return { key: rows[0], secret };
  const { rows: standing } = await pool.query<Pick<StoredKey, "previousUntil">>(
    `SELECT ${PREVIOUS_UNTIL} AS "previousUntil" FROM api_keys k WHERE k.id = $1 AND ${IS_VALID}`,
    [id],
  );
  if (!standing[0]) throw conflict("The key is revoked or expired: create another one.", "key_not_valid");
  const until = standing[0].previousUntil?.toISOString();
  throw conflict(
    `The secret from before the last rotation is valid until ${until}: rotate after that, or with an overlap of 0s, which ends it and the current one at once.`,
    "key_rotating",
  );
}

const endingOf = (secret: string) => secret.slice(-ENDING_CHARS);
