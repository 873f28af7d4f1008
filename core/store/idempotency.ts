/**
 * Requests that may be sent again. A key is taken in the transaction that does what the request asks for: whoever comes
 * with the same key waits for it, and finds what was made, or nothing and makes it. Kept for a day.
 */
import { sql } from "kysely";
import { BellhopError, conflict } from "../errors.ts";
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
/** A request waits so long for one with the same key. */
const KEY_WAIT_MS = 2_000;
export const LOCK_NOT_AVAILABLE = "55P03";

/**
 * Takes a key that is free, or is held for longer than `kept`: one row, or none. The wait is bounded from before the row
 * is looked for until it is taken: what follows waits as ever.
 */
export const takeText = (kept: string) => `
  INSERT INTO idempotency_keys (namespace_id, operation, key, request_hash, made_id)
  SELECT $1::uuid, $2, $3, $4::bytea, $5::uuid WHERE set_config('lock_timeout', '${KEY_WAIT_MS}', true) IS NOT NULL
  ON CONFLICT (namespace_id, operation, key) DO UPDATE SET request_hash = excluded.request_hash,
    made_id = excluded.made_id, created_at = excluded.created_at, answer = NULL, is_answer_sealed = NULL
  WHERE idempotency_keys.created_at < statement_timestamp() - ${kept}
  RETURNING set_config('lock_timeout', '0', true)`;

const TAKE = takeText(KEPT);

const FIND = `SELECT made_id AS "madeId", request_hash AS "requestHash", answer, is_answer_sealed AS "isAnswerSealed"
  FROM idempotency_keys
  WHERE namespace_id = $1 AND operation = $2 AND key = $3 AND created_at >= statement_timestamp() - ${KEPT}`;

/** An earlier request of the key. */
export interface TakenKey {
  madeId: string;
  answer: Buffer | null;
  isAnswerSealed: boolean | null;
}

/** 422 `idempotency_key_reused`. */
export function keyReused(message = "This idempotency key was used for another request."): BellhopError {
  return new BellhopError("idempotency_key_reused", 422, message, [{ field: "Idempotency-Key", message }]);
}

/**
 * Takes the key for what the transaction does; answers the earlier request that has it. 422 `idempotency_key_reused` where
 * that was another one, 409 `idempotency_key_in_use` where one is still under way after 2 s.
 */
export async function takeKey(
  tx: Transaction,
  request: IdempotentRequest,
  madeId: string,
): Promise<TakenKey | undefined> {
  const { namespaceId, operation, key, requestHash } = request;
  const taken = await tx.pool
    .query({
      name: "take-idempotency-key",
      text: TAKE,
      values: [namespaceId, operation, key, requestHash, madeId],
    })
    .catch((error: unknown) => {
      if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw error;
      throw conflict(
        "A request with this idempotency key is still in progress; try again soon.",
        "idempotency_key_in_use",
      );
    });
  if (taken.rows.length > 0) return undefined;
  // Read by a statement of its own, which sees what was waited for.
  const earlier = await findKey(tx, request);
  if (!earlier) throw new Error("an idempotency key ran out the moment it was looked up");
  return earlier;
}

async function findKey({ pool }: QueryScope, request: IdempotentRequest): Promise<TakenKey | undefined> {
  const { namespaceId, operation, key, requestHash } = request;
  const { rows } = await pool.query<TakenKey & { requestHash: Buffer }>({
    name: "find-idempotency-key",
    text: FIND,
    values: [namespaceId, operation, key],
  });
  if (rows[0] && !rows[0].requestHash.equals(requestHash)) throw keyReused();
  return rows[0];
}

/** `made` is undefined where the request is a repetition, and `id` that of what it made the first time. */
interface MadeOnce<Made> {
  id: string;
  made: Made | undefined;
}

/**
 * Makes it under `id`, in a transaction with the request's key; without a request just so. Where `make` throws, the key
 * is free again. Errors as those of `takeKey`.
 */
export async function makeOnce<Made>(
  store: Store,
  request: IdempotentRequest | undefined,
  id: string,
  make: (scope: QueryScope) => Promise<Made>,
): Promise<MadeOnce<Made>> {
  if (!request) return { id, made: await make(store) };
  return await inTransaction(store.pool, async (tx) => {
    const earlier = await takeKey(tx, request, id);
    return earlier ? { id: earlier.madeId, made: undefined } : { id, made: await make(tx) };
  });
}

/** What the key stands for is another thing than was thought when it was taken. `answer`: what is told of it besides its id. */
export async function moveMade(
  { pool }: QueryScope,
  { namespaceId, operation, key }: IdempotentRequest,
  madeId: string,
  answer: Buffer,
): Promise<void> {
  await pool.query({
    name: "move-idempotency-key",
    text: `UPDATE idempotency_keys SET made_id = $4, answer = $5
      WHERE namespace_id = $1 AND operation = $2 AND key = $3`,
    values: [namespaceId, operation, key, madeId, answer],
  });
}

/** Removes up to `limit` keys that ran out; how many. */
export async function removeExpiredKeys(db: Db, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM idempotency_keys WHERE created_at < statement_timestamp() - ${sql.raw(KEPT)}
      ORDER BY created_at LIMIT ${limit} FOR UPDATE SKIP LOCKED))`.execute(db);
  return Number(numAffectedRows ?? 0);
}
