/**
 * What is made once within a window, by what it is: for who asks for that. It is held beside the idempotency keys, under
 * a hash of its content, and taken in the transaction that makes it: of two who come at once one waits for the other.
 */
import { conflict } from "../errors.ts";
import type { Store } from "./database.ts";
import { LOCK_NOT_AVAILABLE, takeText } from "./idempotency.ts";
import { inTransaction, type Transaction } from "./transaction.ts";

export interface DedupRequest {
  namespaceId: string;
  /** What is made; its contents are compared with one another alone. */
  operation: `dedup/${string}`;
  /** SHA-256. */
  contentHash: Buffer;
  /** Back from now; at most a day, for as long it is held. */
  windowMs: number;
}

const TAKE = takeText("$6::float8 * interval '1 millisecond'");
/** What follows waits as ever. */
const FIND = `SELECT made_id AS "madeId", set_config('lock_timeout', '0', true) FROM idempotency_keys
  WHERE namespace_id = $1 AND operation = $2 AND key = $3`;
const REPLACE = `UPDATE idempotency_keys SET made_id = $4, created_at = statement_timestamp()
  WHERE namespace_id = $1 AND operation = $2 AND key = $3`;

interface Making<Made, Standing> {
  /** Of what is made. */
  id: string;
  make(tx: Transaction): Promise<Made>;
  /** What was made before; undefined where it does not count any more: then it is made anew. */
  find(tx: Transaction, id: string): Promise<Standing | undefined>;
}

/** 409 `duplicate_under_way` where the same is still being made after 2 s. */
export async function makeUnlessMade<Made, Standing>(
  store: Store,
  { namespaceId, operation, contentHash, windowMs }: DedupRequest,
  { id, make, find }: Making<Made, Standing>,
): Promise<{ made: Made } | { standing: Standing }> {
  const place = [namespaceId, operation, contentHash.toString("hex")];
  return await inTransaction(store.pool, async (tx) => {
    const taken = await tx.pool
      .query({ name: "take-content", text: TAKE, values: [...place, contentHash, id, windowMs] })
      .catch((error: unknown) => {
        if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw error;
        throw conflict("The same is being created right now; try again soon.", "duplicate_under_way");
      });
    if (taken.rows.length > 0) return { made: await make(tx) };
    // Its row is locked since then: who comes meanwhile waits.
    const { rows } = await tx.pool.query<{ madeId: string }>({
      name: "find-content",
      text: FIND,
      values: place,
    });
    const standing = await find(tx, rows[0]!.madeId);
    if (standing !== undefined) return { standing };
    await tx.pool.query({ name: "replace-content", text: REPLACE, values: [...place, id] });
    return { made: await make(tx) };
  });
}
