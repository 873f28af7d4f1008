/** The row of a bulk action while a batch of it is done: taken, and saved with what was done. */
import type { Backfill } from "../../contracts/backfill.ts";
import type { BulkAction, BulkFailure, BulkState, DrivenResource } from "../../domain/bulk.ts";
import { messageOf } from "../../errors.ts";
import type { JsonObject } from "../../json.ts";
import { ADVISORY_LOCKS } from "../advisory-locks.ts";
import type { Store } from "../database.ts";
import type { ErasureProgress } from "../erase/erase.ts";
import { toJsonText } from "../json-text.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import type { BulkEffects } from "./act.ts";

/** Runs of a backfill that are made together. */
const BACKFILL_BATCH = 500;
/** While a page is found by another connection the transaction is idle. */
const FIND_TIMEOUT_MS = 60_000;
/** As many batches may fail one after another; each is waited for twice as long. */
const MAX_FAULTS = 5;

export interface DrivenBatch extends BulkEffects {
  id: string;
  action: BulkAction;
  resource: DrivenResource;
  state: BulkState;
  /** Of the whole action so far. */
  done: number;
  failed: number;
}

export type Driven =
  /** Nothing is to be done here: no action is running, or another scheduler is at it. */
  | { kind: "idle" }
  /** The next batch is due so much later. */
  | { kind: "resting"; restMs: number }
  | { kind: "batch"; batch: DrivenBatch; restMs: number };

export interface TakenBulk {
  id: string;
  namespaceId: string;
  action: BulkAction;
  resource: DrivenResource;
  filter: JsonObject;
  backfill: Backfill | null;
  /** Of a backfill: those that come next, and how many it has in all. */
  instants: Date[] | null;
  instantCount: number | null;
  /** The last id that was dealt with; of a backfill, the last run that was made; of a deletion, the namespace. */
  reachedId: string | null;
  /** Of an erasure. */
  progress: ErasureProgress | null;
  isAborting: boolean;
  done: number;
  failed: number;
  failures: BulkFailure[];
  traceparent: string | null;
  by: string | null;
  /** Since it got on last. */
  sinceMs: number;
  dueInMs: number;
}

/**
 * The one that has waited longest; it waits for the rest after another one's batch as well, but not after a fault of one, nor
 * for one that waits for a run.
 */
export async function takeBulk({ pool }: Transaction): Promise<TakenBulk | undefined> {
  const { rows: locks } = await pool.query<{ got: boolean }>(
    `SELECT pg_try_advisory_xact_lock($1) AS got, set_config('idle_in_transaction_session_timeout', $2, true)`,
    [ADVISORY_LOCKS.driveBulkActions, `${FIND_TIMEOUT_MS}`],
  );
  if (!locks[0]!.got) return undefined;
  const { rows } = await pool.query<TakenBulk>(
    `SELECT id, namespace_id AS "namespaceId", action, resource, filter, reached_id AS "reachedId", done, failed, failures,
       progress, abort_requested_at IS NOT NULL AS "isAborting", backfill,
       instants[done + 1 : done + ${BACKFILL_BATCH}] AS instants, cardinality(instants) AS "instantCount",
       (extract(epoch FROM clock_timestamp() - updated_at) * 1000)::float8 AS "sinceMs",
       traceparent, created_by AS by, (extract(epoch FROM greatest(next_batch_at, (
         SELECT max(r.next_batch_at) FROM bulk_actions r WHERE r.state = 'running' AND r.faults = 0 AND NOT r.waits
       )) - clock_timestamp()) * 1000)::float8 AS "dueInMs"
     FROM bulk_actions WHERE state = 'running' ORDER BY next_batch_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
  );
  return rows[0];
}

/** It is looked at again after so long, and keeps no other from its turn. */
export async function waitUntil({ pool }: Transaction, id: string, restMs: number): Promise<void> {
  await pool.query(
    `UPDATE bulk_actions SET waits = true, next_batch_at = clock_timestamp() + $2 * interval '1 millisecond'
     WHERE id = $1`,
    [id, restMs],
  );
}

export interface SavedBesides {
  reachedId: string | null;
  failures: BulkFailure[];
  restMs: number;
  /** Why it has failed as a whole. */
  error?: { code: string; message: string } | null;
}

export async function saveBatch(
  { pool }: Transaction,
  { id, state, done, failed }: DrivenBatch,
  { reachedId, failures, restMs, error = null }: SavedBesides,
): Promise<void> {
  await pool.query(
    `UPDATE bulk_actions SET state = $2, done = $3, failed = $4, failures = $5, faults = 0, waits = false, error = $8,
       reached_id = coalesce($6, reached_id), updated_at = clock_timestamp(),
       finished_at = CASE WHEN $2 <> 'running' THEN clock_timestamp() END,
       next_batch_at = clock_timestamp() + $7 * interval '1 millisecond'
     WHERE id = $1`,
    [id, state, done, failed, toJsonText(failures), reachedId, restMs, error && toJsonText(error)],
  );
}

/**
 * It waits, longer each time, and keeps no other from its turn; after the last time it has failed.
 * @param ended does what follows from that, in the same transaction
 */
export async function recordFault(
  store: Store,
  id: string,
  error: unknown,
  ended: (tx: Transaction) => Promise<void>,
): Promise<void> {
  const [again, over] = [
    "A batch failed and is being retried; the scheduler's log has details.",
    "It could not continue; the scheduler's log has details.",
  ].map((message) => toJsonText({ code: "internal_error", message }));
  try {
    await inTransaction(store.pool, async (tx) => {
      const { rows } = await tx.pool.query<{ state: BulkState }>(
        `UPDATE bulk_actions SET faults = faults + 1, updated_at = clock_timestamp(),
           next_batch_at = clock_timestamp() + 2 ^ faults * interval '1 second',
           state = CASE WHEN faults + 1 >= $2 THEN 'failed' ELSE state END,
           finished_at = CASE WHEN faults + 1 >= $2 THEN clock_timestamp() END,
           error = CASE WHEN faults + 1 >= $2 THEN $3::jsonb ELSE $4::jsonb END
         WHERE id = $1 AND state = 'running' RETURNING state`,
        [id, MAX_FAULTS, over, again],
      );
      if (rows[0]?.state === "failed") await ended(tx);
    });
  } catch (second) {
    throw new AggregateError([error, second], messageOf(error));
  }
}
