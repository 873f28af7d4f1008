/** The jobs of queues and limits: what claims and ends of runs do not do for them. */
import { adoptWaiting } from "../core/store/limits/adopt-waiting.ts";
import {
  findGrantableKeys,
  findRatedKeys,
  hasRates,
  type LineCursor,
} from "../core/store/limits/find-grantable.ts";
import { foldAllReturned } from "../core/store/limits/fold-returned.ts";
import { syncFunctionLimits } from "../core/store/limits/function-limits.ts";
import { GRANT_BATCH, grantPermits } from "../core/store/limits/grant-permits.ts";
import { lineUpPaused } from "../core/store/limits/line-up-paused.ts";
import { removeIdleKeys } from "../core/store/limits/queue-limits.ts";
import { recountPermits } from "../core/store/limits/recount-permits.ts";
import { followSlots } from "../core/store/limits/slots-shares.ts";
import { endPauses, msUntilPauseEnds } from "../core/store/queues/queues.ts";
import { createRatedCaller } from "./call-rated.ts";
import { type JobContext, LOGGED_RUNS, sendIfPossible } from "./job.ts";

const ADOPT_BATCH = 1_000;
const QUEUE_BATCH = 100;
const WAITING_KEYS = 1_000;
const LOCKED_KEYS = 100;
const RETURNED_KEYS = 1_000;
const KEY_BATCH = 10_000;

/** How often permits are looked at, and ends of pauses at the latest. */
export const GRANTING_MS = 1_000;
/** Pauses that end closer together than this end together. */
const LEAST_MS = 20;

/** For what no end of a run does: the permits of other limits, and of a look that failed; those that no claim counts off. */
export function createGranting(): (context: JobContext) => Promise<void> {
  const cursor: LineCursor = {};
  return async (context) => {
    const { store } = context;
    while ((await adoptWaiting(store, ADOPT_BATCH)) === ADOPT_BATCH);
    await grantAndRing(context, await findGrantableKeys(store, WAITING_KEYS, cursor));
    // The grants have taken them into account.
    await foldAllReturned(store, RETURNED_KEYS);
  };
}

/** Pauses that are over; the permits of their queues are granted at once. How long to sleep after it. */
export async function endDuePauses(context: JobContext): Promise<number> {
  const { store } = context;
  for (let ended = QUEUE_BATCH; ended === QUEUE_BATCH; ) {
    const keys = await endPauses(store, QUEUE_BATCH);
    await grantAndRing(context, keys);
    ended = keys.length;
  }
  const endsMs = await msUntilPauseEnds(store);
  return Math.min(Math.max(endsMs ?? GRANTING_MS, LEAST_MS), GRANTING_MS);
}

/** Workers come and go. */
export async function followShares(context: JobContext): Promise<void> {
  await followSlots(context.store, context.judge, (keys) => grantAndRing(context, keys));
}

/** However many runs of paused queues come into their lines: neither grants nor ends of pauses wait for them. */
export async function lineUpPausedRuns({ store }: JobContext): Promise<void> {
  await lineUpPaused(store, QUEUE_BATCH);
}

/** A few keys at a time: their locks are held meanwhile. How many were granted, or called up. */
async function grantAndRing(context: JobContext, keys: string[]): Promise<number> {
  const { store, transport } = context;
  let all = 0;
  for (let at = 0; at < keys.length; at += LOCKED_KEYS)
    for (let granted = GRANT_BATCH; granted >= GRANT_BATCH; ) {
      const bells = await grantPermits(store, keys.slice(at, at + LOCKED_KEYS));
      await sendIfPossible(context, transport.ring(bells));
      granted = bells.length;
      all += granted;
    }
  return all;
}

/** Unlike permits, those of a rate come back by themselves. How long to sleep after it. */
export function createRateCalls(): (context: JobContext) => Promise<number> {
  const callRated = createRatedCaller(() => performance.now());
  return async (context) => {
    const { store } = context;
    return await callRated({
      async find() {
        const keys = await findRatedKeys(store, WAITING_KEYS);
        return keys.length > 0 || (await hasRates(store)) ? keys : null;
      },
      call: (keys) => grantAndRing(context, keys),
    });
  };
}

export async function removeQueueKeys({ store }: JobContext): Promise<void> {
  while ((await removeIdleKeys(store, KEY_BATCH)) === KEY_BATCH);
}

/** A count that is too low lets too many run, one that is too high too few. */
export async function recount({ store, log, metrics }: JobContext): Promise<void> {
  const corrections = await recountPermits(store);
  if (corrections.length === 0) return;
  metrics.permitCorrections.inc(corrections.length);
  log.warn({ corrections: corrections.slice(0, LOGGED_RUNS) }, "corrected counts of permits");
}

/** The release before changes functions, and knows no limits by key. */
export async function syncLimits({ store, log }: JobContext): Promise<void> {
  const functionIds = await syncFunctionLimits(store);
  if (functionIds.length > 0) log.info({ functionIds }, "took over the limits of functions");
}
