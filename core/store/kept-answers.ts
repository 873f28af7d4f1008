/** What a request under an idempotency key was answered: kept with what it did, by the same commit. */
import { type IdempotentRequest, type TakenKey, takeKey } from "./idempotency.ts";
import { newId } from "./ids.ts";
import type { Transaction } from "./transaction.ts";

/** More is not kept: no answer of a route comes near it, but one may come. */
export const MAX_KEPT_ANSWER_BYTES = 4_000_000;

export interface KeptAnswer {
  bytes: Buffer;
  /** Only the caller can open it. */
  isSealed: boolean;
}

export type EarlierAnswer = KeptAnswer | "not kept";

/** Undefined: the key is this request's from now on. Errors as those of `takeKey`. */
export async function takeKeyOrAnswer(
  tx: Transaction,
  request: IdempotentRequest,
): Promise<EarlierAnswer | undefined> {
  const earlier = await takeKey(tx, request, newId());
  return earlier && toAnswer(earlier);
}

function toAnswer({ answer, isAnswerSealed }: TakenKey): EarlierAnswer {
  return answer === null ? "not kept" : { bytes: answer, isSealed: isAnswerSealed === true };
}

const KEEP = `UPDATE idempotency_keys SET answer = $4, is_answer_sealed = $5
  WHERE namespace_id = $1 AND operation = $2 AND key = $3`;

export async function keepAnswer(
  { pool }: Transaction,
  { namespaceId, operation, key }: IdempotentRequest,
  { bytes, isSealed }: KeptAnswer,
): Promise<void> {
  if (bytes.byteLength > MAX_KEPT_ANSWER_BYTES) return;
  await pool.query({
    name: "keep-answer",
    text: KEEP,
    values: [namespaceId, operation, key, bytes, isSealed],
  });
}
