/**
 * Requests that may be sent again. A key is taken in the transaction that makes what the request asks for: whoever
 * comes with the same key waits for it, and finds what was made, or nothing and makes it. Kept for a day.
 */
import { sql } from "kysely";
import { BellhopError } from "../errors.ts";
import type { Db, QueryScope, Store } from "./database.ts";
import { inTransaction, type Transaction } from "./transaction.ts";

export interface IdempotentRequest {
  namespaceId: string;
  /** What is asked for: the same key may be used for something else. */
  operation: string;
  key: string;
  /** SHA-256 of what a repetition must have in common. */
  requestHash: Buffer;
}

const KEPT = "interval '24 hours'";

const TAKE = `
  INSERT INTO idempotency_keys (namespace_id, operation, key, request_hash, made_id) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (namespace_id, operation, key) DO UPDATE SET request_hash = excluded.request_hash,
    made_id = excluded.made_id, created_at = excluded.created_at
  WHERE idempotency_keys.created_at < statement_timestamp() - ${KEPT}
  RETURNING made_id`;

const FIND = `SELECT made_id AS "madeId", request_hash AS "requestHash" FROM idempotency_keys
  WHERE namespace_id = $1 AND operation = $2 AND key = $3 AND created_at >= statement_timestamp() - ${KEPT}`;

/** The id of what this request made before; 422 `idempotency_key_reused` where another one used its key. */
export async function findMade(
  { pool }: QueryScope,
  { namespaceId, operation, key, requestHash }: IdempotentRequest,
): Promise<string | undefined> {
  const { rows } = await pool.query<{ madeId: string; requestHash: Buffer }>({
    name: "find-idempotency-key",
    text: FIND,
    values: [namespaceId, operation, key],
  });
  if (rows[0] && !rows[0].requestHash.equals(requestHash)) {
    const message = "This idempotency key was used for another request.";
    throw new BellhopError("idempotency_key_reused", 422, message, [{ field: "Idempotency-Key", message }]);
  }
  return rows[0]?.madeId;
}

/** `made` is undefined where the request is a repetition, and `id` that of what it made the first time. */
interface MadeOnce<Made> {
  id: string;
  made: Made | undefined;
}

/**
 * Makes it under `id`, in a transaction with the request's key; without a request just so. Where `make` throws, the key
 * is free again.
 */
export async function makeOnce<Made>(
  store: Store,
  request: IdempotentRequest | undefined,
  id: string,
  make: (scope: QueryScope) => Promise<Made>,
): Promise<MadeOnce<Made>> {
  if (!request) return { id, made: await make(store) };
  return await inTransaction(store.pool, (tx) => makeUnderKey(tx, request, id, make));
}

/** The same of what takes a transaction with or without a request. */
export async function makeOnceIn<Made>(
  tx: Transaction,
  request: IdempotentRequest | undefined,
  id: string,
  make: (tx: Transaction) => Promise<Made>,
): Promise<MadeOnce<Made>> {
  return request ? await makeUnderKey(tx, request, id, make) : { id, made: await make(tx) };
}

async function makeUnderKey<Made>(
  tx: Transaction,
  request: IdempotentRequest,
  id: string,
  make: (tx: Transaction) => Promise<Made>,
): Promise<MadeOnce<Made>> {
  const { namespaceId, operation, key, requestHash } = request;
  const taken = await tx.pool.query({
    name: "take-idempotency-key",
    text: TAKE,
    values: [namespaceId, operation, key, requestHash, id],
  });
  if (taken.rows.length > 0) return { id, made: await make(tx) };
  // Read by a statement of its own, which sees what was waited for.
  const earlier = await findMade(tx, request);
  if (earlier === undefined) throw new Error("an idempotency key ran out the moment it was looked up");
  return { id: earlier, made: undefined };
}

/** Removes up to `limit` keys that ran out; how many. */
export async function removeExpiredKeys(db: Db, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM idempotency_keys WHERE created_at < statement_timestamp() - ${sql.raw(KEPT)}
      ORDER BY created_at LIMIT ${limit} FOR UPDATE SKIP LOCKED))`.execute(db);
  return Number(numAffectedRows ?? 0);
}
