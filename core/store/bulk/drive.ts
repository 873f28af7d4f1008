/**
 * One batch of a bulk action. It changes what it is done to, moves the action's cursor and adds to its counts in one
 * transaction: what a crash interrupts leaves nothing, and is neither done nor counted twice. What is made after the action
 * was asked for is not met: its id comes later. Of all schedulers one drives a batch at a time, and after each all actions
 * rest six times as long as it took: together they have a seventh of one connection's time.
 */
import type { Clock } from "../../clock.ts";
import type { Backfill } from "../../contracts/backfill.ts";
import { type BulkInput, bulkInput } from "../../contracts/bulk.ts";
import { decideLookMs } from "../../domain/backfill.ts";
import {
  type BulkResource,
  ERASE,
  MAX_KEPT_FAILURES,
  NAMESPACES,
  type RunAction,
  type TaskAction,
} from "../../domain/bulk.ts";
import type { FunctionLimitCaps } from "../../domain/function-limits.ts";
import type { ScheduleTime } from "../../schedule-time.ts";
import { type DailyLimits, NO_DAILY_LIMITS } from "../daily-limits.ts";
import type { Store } from "../database.ts";
import { isDatabaseAway } from "../database-away.ts";
import { eraseBatch } from "../erase/erase.ts";
import { toJsonText } from "../json-text.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { type BulkVerb, NO_EFFECTS } from "./act.ts";
import { RUN_VERBS } from "./act-on-runs.ts";
import { TASK_VERBS } from "./act-on-tasks.ts";
import { backfillRuns } from "./backfill.ts";
import { addToReceipt, deleteNamespaceBatch, ENDING_LOOK_MS } from "./delete-namespace.ts";
import { recordErasureEnd } from "./erasure-end.ts";
import { findMatches } from "./find-matches.ts";
import {
  type Driven,
  type DrivenBatch,
  recordFault,
  saveBatch,
  type TakenBulk,
  takeBulk,
  waitUntil,
} from "./taken.ts";

/** To what a batch took. On a busy database both get longer. */
const REST_TO_WORK = 6;
/** A batch holds the rows that it changed, and permits of their functions, until it is committed. */
const MAX_HOLD_MS = 100;
/** What its column takes. */
const MAX_COUNT = 2 ** 31 - 1;

export interface DriveOptions {
  clock: Clock;
  /** What schedules see; left out, the clock's. */
  time?: Pick<ScheduleTime, "now">;
  functionCaps: FunctionLimitCaps;
  /** Left out: namespaces may begin as many runs on a day as they like. */
  daily?: DailyLimits;
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
      if (taken.action === ERASE) return await doErasure(store, tx, taken, options);
      if (taken.backfill) return await doBackfill(tx, taken, taken.backfill, options);
      return await doBatch(store, tx, taken, options);
    });
  } catch (error) {
    if (taken && !isDatabaseAway(error)) await recordFault(store, taken.id, error, endFailed(taken));
    throw error;
  }
}

/** An erasure that failed has erased some. */
const endFailed =
  ({ id, action }: TakenBulk) =>
  async (tx: Transaction): Promise<void> => {
    if (action === ERASE) await recordErasureEnd(tx, id);
  };

async function doBatch(
  store: Store,
  tx: Transaction,
  bulk: TakenBulk,
  { clock, time, functionCaps, daily = NO_DAILY_LIMITS }: DriveOptions,
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
    daily,
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
    await waitUntil(tx, id, ENDING_LOOK_MS);
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

/** Of tasks, with all that is theirs. */
async function doErasure(
  store: Store,
  tx: Transaction,
  bulk: TakenBulk,
  { clock, time }: DriveOptions,
): Promise<Driven> {
  const { id, namespaceId, action, resource, progress, isAborting, reachedId } = bulk;
  const began = clock.now();
  const asked = bulkInput.parse({ action, resource, filter: bulk.filter }) as BulkInput & {
    resource: "tasks";
  };
  const findTasks = async (limit: number) => {
    const { rows, nextId } = await findMatches(store, namespaceId, asked, {
      limit,
      afterId: reachedId,
      untilId: progress!.untilId,
    });
    return { ids: rows.map((row) => row.id), nextId };
  };
  const step = await eraseBatch(tx, {
    ...{ bulkId: id, namespaceId, filter: asked.filter, progress: progress!, isAborting, findTasks },
    now: time?.now() ?? began,
  });
  const { erased, next, progress: reached, reachedId: reachedTask = null, ...effects } = step;
  await tx.pool.query("UPDATE bulk_actions SET progress = $2 WHERE id = $1", [id, toJsonText(reached)]);
  await addToReceipt(tx, id, erased);
  const isOver = next === "over";
  const state = isOver ? (isAborting ? "aborted" : "succeeded") : "running";
  const done = bulk.done + (erased["tasks"] ?? 0);
  const tookMs = clock.now().getTime() - began.getTime();
  const restMs = next === "waits" ? ENDING_LOOK_MS : REST_TO_WORK * tookMs;
  const batch: DrivenBatch = { ...effects, id, action, resource, state, done, failed: 0 };
  await saveBatch(tx, batch, { reachedId: reachedTask, failures: [], restMs });
  if (next === "waits") await waitUntil(tx, id, restMs);
  if (isOver) await recordErasureEnd(tx, id);
  return { kind: "batch", batch, restMs };
}

const TASK_OVER = {
  code: "task_cancelled",
  message: "The task is cancelled or removed, and gets no more runs.",
};

/** The runs of the next instants; with `wait` the one of the next, once the last has ended. */
async function doBackfill(
  tx: Transaction,
  bulk: TakenBulk,
  backfill: Backfill,
  { clock, daily = NO_DAILY_LIMITS }: DriveOptions,
): Promise<Driven> {
  const { id, namespaceId, action, resource, traceparent, reachedId: lastRunId } = bulk;
  const began = clock.now();
  const instants = bulk.instants ?? [];
  const batchOf = { namespaceId, backfill, instants, lastRunId, traceparent };
  const step = await backfillRuns(tx, batchOf, daily.limitOf(namespaceId));
  if (step.kind === "waits") {
    const restMs = decideLookMs(bulk.sinceMs);
    await waitUntil(tx, id, restMs);
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

const verbOf = ({ resource, action }: TakenBulk): BulkVerb =>
  resource === "tasks"
    ? TASK_VERBS[action as Exclude<TaskAction, typeof ERASE>]
    : RUN_VERBS[action as RunAction];
