/** Every background job of the scheduler and its period, on one screen. */
import { ringCallbacks } from "../core/run-ends/ring-callbacks.ts";
import { foldActivity } from "../core/store/activity/fold-activity.ts";
import { askServer } from "../core/store/contact.ts";
import { readDemand } from "../core/store/demand.ts";
import { foldErrors } from "../core/store/errors/fold-errors.ts";
import { LOOK_AHEAD_MS, lookAround } from "../core/store/look-around.ts";
import { completeIndexes } from "../core/store/partition-indexes.ts";
import { dropExpiredPartitions, ensurePartitions } from "../core/store/partitions.ts";
import { endOverdueAttempts } from "../core/store/runs/complete.ts";
import { expireRuns } from "../core/store/runs/expire.ts";
import { findOverdueRuns } from "../core/store/runs/find-claimable.ts";
import { rescueLostRuns } from "../core/store/runs/rescue.ts";
import { readStats } from "../core/store/stats.ts";
import { seekInstants } from "../core/store/tasks/seek-instants.ts";
import { settleExclusions } from "../core/store/tasks/settle-exclusions.ts";
import { removeExpiredWorkers } from "../core/store/workers.ts";
import { IDLE_LOOK_MS } from "./call-rated.ts";
import { driveBulkActions } from "./drive-bulk.ts";
import { type Job, type JobContext, LOGGED_RUNS, sendIfPossible } from "./job.ts";
import { createMeasuring, MEASURE_MS } from "./measure-stored.ts";
import {
  createGranting,
  createRateCalls,
  endDuePauses,
  followShares,
  GRANTING_MS,
  lineUpPausedRuns,
  recount,
  removeQueueKeys,
  syncLimits,
} from "./queue-jobs.ts";
import { type Quiet, WORK_LOOK_MS } from "./quiet.ts";
import {
  deleteLateData,
  removeActivity,
  removeAudit,
  removeBulks,
  removeDebounces,
  removeEmails,
  removeEvents,
  removeFences,
  removeFinishedTasks,
  removeIdempotencyKeys,
  removeInvalidTasks,
  removeKeys,
} from "./removal-jobs.ts";
import type { ReringBackoff } from "./rering-overdue.ts";
import { createUnfiredWatch, watchRuns } from "./watch-expectations.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Well below the usual period of scrapes. */
export const STATS_MS = 5_000;
/** About as often as most scrape. Who scales by figures of more time ahead than the look for work has wants them in time. */
const STATS_ASLEEP_MS = 30_000;
/** A look that takes longer is none; of short leases, one that takes longer than words may be apart. */
const LOOK_PATIENCE_MS = 2_000;
/** A chart of minutes, whose last one is seen to grow. */
export const ACTIVITY_MS = 10_000;
const RESCUE_BATCH = 500;
const COMPLETION_BATCH = 500;
export const EXPIRY_BATCH = 5_000;
export const OVERDUE_MS = 1_000;
const OVERDUE_BATCH = 1_000;
const FOLD_BATCH = 2_000;
const SEEK_BATCH = 100;
const EXCLUSION_BATCH = 200;

/** @param aheadMs how far the stats look ahead */
export function listJobs(leaseMs: number, quiet: Quiet, aheadMs = 0): Job[] {
  return [
    { name: "work", everyMs: WORK_LOOK_MS, run: (context) => lookForWork(context, quiet), isPrompt: true },
    keepContactFor(leaseMs, quiet),
    ...listForWork(leaseMs).map((job): Job => ({ ...job, serves: "work" })),
    ...listForRuns(aheadMs).map((job): Job => ({ ...job, serves: "runs" })),
    { name: "shares of slots", everyMs: GRANTING_MS, run: followShares, serves: "shares", isPrompt: true },
    { name: "partitions", everyMs: HOUR_MS, run: keepPartitions },
    {
      name: "partition indexes",
      everyMs: HOUR_MS,
      run: (context, _, stopping) => indexPartitions(context, stopping),
    },
    { name: "idempotency keys", everyMs: HOUR_MS, run: removeIdempotencyKeys },
    { name: "finished tasks", everyMs: HOUR_MS, run: removeFinishedTasks },
    { name: "debounced tasks", everyMs: HOUR_MS, run: removeDebounces },
    { name: "mailbox", everyMs: HOUR_MS, run: removeEmails },
    { name: "ended bulk actions", everyMs: HOUR_MS, run: removeBulks },
    { name: "invalid tasks", everyMs: HOUR_MS, run: removeInvalidTasks },
    { name: "events", everyMs: HOUR_MS, run: removeEvents },
    { name: "past activity", everyMs: HOUR_MS, run: removeActivity },
    { name: "ended keys", everyMs: HOUR_MS, run: removeKeys },
    { name: "audit log", everyMs: HOUR_MS, run: removeAudit },
    { name: "workers", everyMs: HOUR_MS, run: ({ store }) => removeExpiredWorkers(store.db) },
  ];
}

/**
 * While there is nothing to do they look less often. Calls that are handed to workers are not seen to be there, for they
 * are over when they are written: what follows them in time is not among these.
 */
function listForWork(leaseMs: number): Job[] {
  return [
    {
      name: "rescue",
      everyMs: Math.max(200, Math.min(leaseMs / 3, 5_000)),
      run: rescue,
      isPatient: true,
    },
    { name: "expiry", everyMs: 2_000, run: createExpiry(), isPatient: true },
    { name: "overdue completions", everyMs: 1_000, run: endOverdueCompletions, isPatient: true },
    { name: "re-ring", everyMs: 1_000, run: reringOverdueRuns, isPatient: true },
    { name: "permits", everyMs: GRANTING_MS, run: createGranting() },
    { name: "permit counts", everyMs: 5_000, run: recount, isPatient: true },
    { name: "pauses", everyMs: GRANTING_MS, run: endDuePauses, pace: Number, isPatient: true },
    { name: "paused runs", everyMs: GRANTING_MS, run: lineUpPausedRuns, isPatient: true },
    { name: "rates", everyMs: IDLE_LOOK_MS, run: createRateCalls(), pace: Number, isPatient: true },
    { name: "queue keys", everyMs: 1_000, run: removeQueueKeys, isPatient: true },
    {
      name: "bulk actions",
      everyMs: 1_000,
      run: (context, _, stopping) => driveBulkActions(context, stopping),
      isPatient: true,
    },
    { name: "callbacks", everyMs: 1_000, run: makeAllCallbacks, isPatient: true },
    { name: "error groups", everyMs: 1_000, run: foldAllErrors },
    { name: "expectations", everyMs: 1_000, run: watchRuns, isPatient: true },
    { name: "unfired tasks", everyMs: 1_000, run: createUnfiredWatch(), isPatient: true },
  ];
}

/** What runs leave behind, and figures of them: also of those that no look sees. */
function listForRuns(aheadMs: number): Job[] {
  const leastEveryMs = aheadMs > LOOK_AHEAD_MS ? STATS_MS : STATS_ASLEEP_MS;
  return [
    { name: "stats", everyMs: STATS_MS, leastEveryMs, isPrompt: true, run: tellStats },
    {
      name: "activity",
      everyMs: ACTIVITY_MS,
      run: ({ store, clock }, _, stopping) =>
        foldActivity(store, clock.now(), { stopping, notWithinMs: ACTIVITY_MS * 0.9 }),
    },
    { name: "stored bytes", everyMs: MEASURE_MS, run: createMeasuring(), pace: Number },
    { name: "schedules", everyMs: 5_000, run: seekAllInstants, isPatient: true },
    { name: "exclusions", everyMs: 5_000, run: settleAllExclusions, isPatient: true },
    { name: "function limits", everyMs: MINUTE_MS, run: syncLimits },
    { name: "run fences", everyMs: MINUTE_MS, run: removeFences, isPatient: true },
    { name: "late data of deleted namespaces", everyMs: MINUTE_MS, run: deleteLateData },
  ];
}

/** Often enough for a judge of such leases. */
const decideContactMs = (leaseMs: number): number => Math.max(100, Math.min(leaseMs / 6, 2_500));

/**
 * Each look for work asks the database for its word, too: where those are enough for leases, nobody else asks while it is
 * asleep. Contact counts as kept meanwhile: a look that fails, or is late, wakes all.
 */
function keepContactFor(leaseMs: number, quiet: Quiet): Job {
  const everyMs = decideContactMs(leaseMs);
  if (everyMs < WORK_LOOK_MS) return { name: "contact", everyMs, run: keepContact };
  const run = async (context: JobContext) => {
    if (!quiet.isAsleep()) await keepContact(context);
  };
  return { name: "contact", everyMs, run, serves: "work" };
}

/**
 * Where nobody knows, or knows in time, there may be something. Of what an API has not heard, it hears anew. A word that was
 * long on its way is none for the judge: others may have kept contact meanwhile, and theirs are newer.
 */
async function lookForWork(context: JobContext, quiet: Quiet): Promise<void> {
  const { store, clock, leaseMs, judge, notifier, hearTime } = context;
  const patienceMs = Math.min(LOOK_PATIENCE_MS, decideContactMs(leaseMs));
  const forgetHanging = clock.after(patienceMs, quiet.stir);
  const askedMs = clock.steadyMs();
  try {
    const found = await lookAround(store);
    quiet.note(found);
    if (clock.steadyMs() - askedMs <= patienceMs) judge.mayJudge(found);
    else quiet.stir();
    hearTime?.(found, askedMs);
    if (found.hasEnqueued) notifier.notify("bellhop_enqueued");
  } catch (error) {
    quiet.stir();
    throw error;
  } finally {
    forgetHanging();
  }
}

async function seekAllInstants({ store, clock, notifier, log }: JobContext): Promise<void> {
  const { tried, found } = await seekInstants(store, clock.now(), SEEK_BATCH);
  if (found > 0) notifier.notify("bellhop_schedule");
  if (tried > found) log.error({ tasks: tried - found }, "the next instants of tasks could not be found");
}

/** What schedules exclude, as it passes. */
async function settleAllExclusions({ store, time, metrics }: JobContext): Promise<void> {
  for (let looked = EXCLUSION_BATCH; looked === EXCLUSION_BATCH; ) {
    const settled = await settleExclusions(store, time.now(), EXCLUSION_BATCH);
    for (const { reason, count } of settled.told) metrics.skipped.inc({ reason }, count);
    looked = settled.looked;
  }
}

/** The judge hears of the database also while a rescue, or what follows it, takes its time. */
async function keepContact({ store, judge }: JobContext): Promise<void> {
  judge.mayJudge(await askServer(store.leaseDb));
}

async function rescue(context: JobContext): Promise<void> {
  while ((await rescueBatch(context)) === RESCUE_BATCH);
}

/** Each pass goes on where the last one stopped: a backlog is walked through bit by bit. */
function createExpiry(): Job["run"] {
  let lastId: string | undefined;
  return async ({ store, ends, log }) => {
    const looked = await expireRuns(store, EXPIRY_BATCH, lastId);
    lastId = looked.lastId;
    const { ended } = looked;
    if (ended.length === 0) return;
    ends.tell(ended);
    const runIds = ended.slice(0, LOGGED_RUNS).map(({ runId }) => runId);
    log.info({ runs: ended.length, runIds }, "ended runs that had not started within their ttl");
  };
}

/** For what no end of a run does: those of skipped runs, and of a look that failed. */
async function makeAllCallbacks(context: JobContext): Promise<void> {
  const { store, transport, log } = context;
  await ringCallbacks(store, (bells) => sendIfPossible(context, transport.ring(bells)), log);
}

async function foldAllErrors({ store }: JobContext): Promise<void> {
  while ((await foldErrors(store, FOLD_BATCH)) >= FOLD_BATCH);
}

/** How many were rescued. */
async function rescueBatch({ store, clock, judge, ends }: JobContext): Promise<number> {
  const rescued = await rescueLostRuns(store, clock.now(), judge, RESCUE_BATCH);
  ends.tell(rescued);
  await ends.flush();
  return rescued.length;
}

/** Nobody has completed them, or sent a heartbeat for them, in time. */
async function endOverdueCompletions({ store, judge, ends }: JobContext): Promise<void> {
  for (let ended = COMPLETION_BATCH; ended === COMPLETION_BATCH; ) {
    const runs = await endOverdueAttempts(store, judge, COMPLETION_BATCH);
    ends.tell(runs);
    await ends.flush();
    ended = runs.length;
  }
}

async function reringOverdueRuns(context: JobContext, backoff: ReringBackoff): Promise<void> {
  const { store, clock, transport, metrics } = context;
  const overdue = await findOverdueRuns(store, OVERDUE_MS, OVERDUE_BATCH);
  const bells = backoff.choose(overdue, clock.now());
  if (bells.length === 0) return;
  if (await sendIfPossible(context, transport.ring(bells))) metrics.rerung.inc(bells.length);
}

/** What only the database knows, for who scrapes a scheduler. Old ones are worse than none. */
async function tellStats({ store, stats, aheadMs }: JobContext): Promise<void> {
  try {
    stats.set(await readStats(store), await readDemand(store, aheadMs));
  } catch (error) {
    stats.clear();
    throw error;
  }
}

async function keepPartitions({ store, clock, log, retentionDays }: JobContext): Promise<void> {
  await ensurePartitions(store.db, clock.now());
  const dropped = await dropExpiredPartitions(store, clock.now(), retentionDays);
  if (dropped.length > 0) log.info({ dropped }, "dropped partitions past the retention");
}

/** Of the days that stood before a release that brought indexes: an index may take as long as its day is large. */
async function indexPartitions({ store, clock, log }: JobContext, stopping: AbortSignal): Promise<void> {
  const built = await completeIndexes(store, clock.now(), stopping);
  if (built.length > 0) log.info({ built: built.length }, "built indexes of partitions that lacked them");
}
