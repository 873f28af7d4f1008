/**
 * One batch of a bulk action. It changes what it is done to, moves the action's cursor and adds to its counts in one
 * transaction: what a crash interrupts leaves nothing, and is neither done nor counted twice. What is made after the action
 * was asked for is not met: its id comes later. Of all schedulers one drives a batch at a time, and after each all actions
 * rest six times as long as it took: together they have a seventh of one connection's time.
 */
import type { Clock } from "../../clock.ts";
import type { Backfill } from "../../contracts/backfill.ts";
import { bulkInput } from "../../contracts/bulk.ts";
import { decideLookMs } from "../../domain/backfill.ts";
import {
  type BulkAction,
  type BulkFailure,
  type BulkResource,
  type BulkState,
  type DrivenResource,
  MAX_KEPT_FAILURES,
  NAMESPACES,
  type RunAction,
  type TaskAction,
} from "../../domain/bulk.ts";
import type { FunctionLimitCaps } from "../../domain/function-limits.ts";
import { messageOf } from "../../errors.ts";
import type { JsonObject } from "../../json.ts";
import type { ScheduleTime } from "../../schedule-time.ts";
import { ADVISORY_LOCKS } from "../advisory-locks.ts";
import type { Store } from "../database.ts";
import { isDatabaseAway } from "../database-away.ts";
import { toJsonText } from "../json-text.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { type BulkEffects, type BulkVerb, NO_EFFECTS } from "./act.ts";
import { RUN_VERBS } from "./act-on-runs.ts";
import { TASK_VERBS } from "./act-on-tasks.ts";
import { backfillRuns } from "./backfill.ts";
import { addToReceipt, deleteNamespaceBatch, ENDING_LOOK_MS } from "./delete-namespace.ts";
import { findMatches } from "./find-matches.ts";

/** To what a batch took. On a busy database both get longer. */
const REST_TO_WORK = 6;
/** A batch holds the rows that it changed, and permits of their functions, until it is committed. */
const MAX_HOLD_MS = 100;
/** Runs of a backfill that are made together. */
const BACKFILL_BATCH = 500;
/** While a page is found by another connection the transaction is idle. */
const FIND_TIMEOUT_MS = 60_000;
/** As many batches may fail one after another; each is waited for twice as long. */
const MAX_FAULTS = 5;
/** What its column takes. */
const MAX_COUNT = 2 ** 31 - 1;

export interface DriveOptions {
  clock: Clock;
  /** What schedules see; left out, the clock's. */
  time?: Pick<ScheduleTime, "now">;
  functionCaps: FunctionLimitCaps;
}

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

interface TakenBulk {
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
  done: number;
  failed: number;
  failures: BulkFailure[];
  traceparent: string | null;
  by: string | null;
  /** Since it got on last. */
  sinceMs: number;
  dueInMs: number;
}

/** A batch of the action that has rested longest. Where it cannot be done it is tried again later, and told of by throwing. */
export async function driveBulkBatch(store: Store, options: DriveOptions): Promise<Driven> {
  let taken: TakenBulk | undefined;
  try {
    return await inTransaction(store.pool, async (tx) => {
      taken = await takeBulk(tx);
      if (!taken) return { kind: "idle" };
      if (taken.dueInMs > 0) return { kind: "resting", restMs: Math.ceil(taken.dueInMs) };
      if (taken.resource === NAMESPACES) return await doDeletion(tx, taken, options);
      if (taken.backfill) return await doBackfill(tx, taken, taken.backfill, options.clock);
      return await doBatch(store, tx, taken, options);
    });
  } catch (error) {
    if (taken && !isDatabaseAway(error)) await recordFault(store, taken.id, error);
    throw error;
  }
}

/**
 * The one that has waited longest; it waits for the rest after another one's batch as well, but not after a fault of one, nor
 * for one that waits for a run.
 */
async function takeBulk({ pool }: Transaction): Promise<TakenBulk | undefined> {
  const { rows: locks } = await pool.query<{ got: boolean }>(
    `SELECT pg_try_advisory_xact_lock($1) AS got, set_config('idle_in_transaction_session_timeout', $2, true)`,
    [ADVISORY_LOCKS.driveBulkActions, `${FIND_TIMEOUT_MS}`],
  );
  if (!locks[0]!.got) return undefined;
  const { rows } = await pool.query<TakenBulk>(
    `SELECT id, namespace_id AS "namespaceId", action, resource, filter, reached_id AS "reachedId", done, failed, failures,
       backfill, instants[done + 1 : done + ${BACKFILL_BATCH}] AS instants, cardinality(instants) AS "instantCount",
       (extract(epoch FROM clock_timestamp() - updated_at) * 1000)::float8 AS "sinceMs",
       traceparent, created_by AS by, (extract(epoch FROM greatest(next_batch_at, (
         SELECT max(r.next_batch_at) FROM bulk_actions r WHERE r.state = 'running' AND r.faults = 0 AND NOT r.waits
       )) - clock_timestamp()) * 1000)::float8 AS "dueInMs"
     FROM bulk_actions WHERE state = 'running' ORDER BY next_batch_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
  );
  return rows[0];
}

async function doBatch(
  store: Store,
  tx: Transaction,
  bulk: TakenBulk,
  { clock, time, functionCaps }: DriveOptions,
): Promise<Driven> {
  const { id, namespaceId, action } = bulk;
  const resource = bulk.resource as BulkResource;
  const began = clock.now();
  const msSince = (at: Date) => clock.now().getTime() - at.getTime();
  const asked = bulkInput.parse({ action, resource, filter: bulk.filter });
  const { mostItems: limit, act } = verbOf(bulk);
  // Ids are time: its own is the moment at which it was asked for.
  const page = { limit, afterId: bulk.reachedId, untilId: id };
  const { rows, nextId } = await findMatches(store, namespaceId, asked, page);
  const ids = rows.map((row) => row.id);
  // Nothing is held before: where finding them takes long, the batch is no smaller for it.
  const now = clock.now();
  const context = {
    namespaceId,
    functionCaps,
    now: time?.now() ?? now,
    traceparent: bulk.traceparent ?? undefined,
    by: bulk.by,
  };
  const isTimeUp = () => msSince(now) >= MAX_HOLD_MS;
  const acted = await act(tx, { ...context, isTimeUp }, ids);
  const { count, failures, ...effects } = acted;
  const reachedId = count < ids.length ? ids[count - 1]! : nextId;
  const batch: DrivenBatch = {
    ...effects,
    ...{ id, action, resource },
    state: reachedId === null ? "succeeded" : "running",
    done: bulk.done + count - failures.length,
    failed: bulk.failed + failures.length,
  };
  const restMs = REST_TO_WORK * msSince(began);
  const kept = [...bulk.failures, ...failures].slice(0, MAX_KEPT_FAILURES);
  await saveBatch(tx, batch, { reachedId, failures: kept, restMs });
  return { kind: "batch", batch, restMs };
}

/** Of a namespace: what is running there is waited for. */
async function doDeletion(tx: Transaction, bulk: TakenBulk, { clock, time }: DriveOptions): Promise<Driven> {
  const { id, action, resource, by } = bulk;
  const began = clock.now();
  const msSince = () => clock.now().getTime() - began.getTime();
  const isTimeUp = () => msSince() >= MAX_HOLD_MS;
  const context = { namespaceId: bulk.reachedId!, now: time?.now() ?? began, by, isTimeUp };
  const { deleted, next, ...effects } = await deleteNamespaceBatch(tx, context);
  if (next === "waits") {
    await tx.pool.query(WAIT, [id, ENDING_LOOK_MS]);
    return { kind: "resting", restMs: ENDING_LOOK_MS };
  }
  const count = Object.values(deleted).reduce((sum, each) => sum + each, 0);
  const done = Math.min(bulk.done + count, MAX_COUNT);
  const state = next === "over" ? "succeeded" : "running";
  const batch: DrivenBatch = { ...effects, id, action, resource, state, done, failed: 0 };
  const restMs = REST_TO_WORK * msSince();
  await addToReceipt(tx, id, deleted);
  await saveBatch(tx, batch, { reachedId: null, failures: [], restMs });
  return { kind: "batch", batch, restMs };
}

const TASK_OVER = {
  code: "task_cancelled",
  message: "The task is cancelled or removed: it gets no more runs.",
};

/** The runs of the next instants; with `wait` the one of the next, once the last has ended. */
async function doBackfill(
  tx: Transaction,
  bulk: TakenBulk,
  backfill: Backfill,
  clock: Clock,
): Promise<Driven> {
  const { id, namespaceId, action, resource, traceparent, reachedId: lastRunId } = bulk;
  const began = clock.now();
  const instants = bulk.instants ?? [];
  const step = await backfillRuns(tx, { namespaceId, backfill, instants, lastRunId, traceparent });
  if (step.kind === "waits") {
    const restMs = decideLookMs(bulk.sinceMs);
    await tx.pool.query(WAIT, [id, restMs]);
    return { kind: "resting", restMs };
  }
  const made = step.kind === "made" ? step.runs : [];
  const done = bulk.done + made.length;
  const isOver = done === bulk.instantCount;
  const state = step.kind === "over" ? "failed" : isOver ? "succeeded" : "running";
  const batch: DrivenBatch = { ...NO_EFFECTS, id, action, resource, state, done, failed: 0, staged: made };
  const restMs = REST_TO_WORK * (clock.now().getTime() - began.getTime());
  const error = step.kind === "over" ? TASK_OVER : null;
  const reachedId = made.at(-1)?.runId ?? null;
  await saveBatch(tx, batch, { reachedId, failures: [], restMs, error });
  return { kind: "batch", batch, restMs };
}

/** It keeps no other from its turn. */
const WAIT = `UPDATE bulk_actions SET waits = true,
    next_batch_at = clock_timestamp() + $2 * interval '1 millisecond'
  WHERE id = $1`;

const verbOf = ({ resource, action }: TakenBulk): BulkVerb =>
  resource === "tasks" ? TASK_VERBS[action as TaskAction] : RUN_VERBS[action as RunAction];

interface SavedBesides {
  reachedId: string | null;
  failures: BulkFailure[];
  restMs: number;
  /** Why it has failed as a whole. */
  error?: { code: string; message: string } | null;
}

async function saveBatch(
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

/** It waits, longer each time, and keeps no other from its turn; after the last time it has failed. */
async function recordFault({ pool }: Store, id: string, error: unknown): Promise<void> {
  const told = { code: "internal_error", message: "It could not go on; the scheduler's log has more." };
  await pool
    .query(
      `UPDATE bulk_actions SET faults = faults + 1, updated_at = clock_timestamp(),
         next_batch_at = clock_timestamp() + 2 ^ faults * interval '1 second',
         state = CASE WHEN faults + 1 >= $2 THEN 'failed' ELSE state END,
         finished_at = CASE WHEN faults + 1 >= $2 THEN clock_timestamp() END,
         error = CASE WHEN faults + 1 >= $2 THEN $3::jsonb END
       WHERE id = $1 AND state = 'running'`,
      [id, MAX_FAULTS, toJsonText(told)],
    )
    .catch((second: unknown) => {
      throw new AggregateError([error, second], messageOf(error));
    });
}
