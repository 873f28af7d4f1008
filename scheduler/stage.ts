/** The scheduler's pass: stage what is due soon, ring it at its instant, sleep until the next instant that matters. */
import type { Clock } from "../core/clock.ts";
import { HERD_AHEAD_MS, MAX_SLEEP_MS, STAGE_AHEAD_MS, STAGE_BATCH } from "../core/domain/staging.ts";
import type { Loop } from "../core/loop-rest.ts";
import { type ScheduleTime, trueTime } from "../core/schedule-time.ts";
import { type DailyLimits, NO_DAILY_LIMITS } from "../core/store/daily-limits.ts";
import type { Store } from "../core/store/database.ts";
import { findNextInstants, type NextInstants } from "../core/store/runs/next-instants.ts";
import { queueDueRetries } from "../core/store/runs/queue-retries.ts";
import { type SettledRuns, settleHeldRuns } from "../core/store/runs/settle-held.ts";
import { type StagedBatch, stageOccurrences } from "../core/store/runs/stage.ts";
import type { StagedRun } from "../core/store/runs/staged-run.ts";
import { seekInstants } from "../core/store/tasks/seek-instants.ts";
import { NO_TRACER, type Tracer } from "../core/telemetry/tracing.ts";
import { startInstantLoop } from "./instant-loop.ts";
import { createClockMover } from "./move-clock.ts";
import { NEVER_QUIET, type Quiet } from "./quiet.ts";
import { type Ahead, createStageAhead, FEW_DUE } from "./stage-ahead.ts";
import { traceStaging } from "./trace-staging.ts";

/** Who ends a run that another waits for wakes the scheduler: this often it looks where that is lost. */
const TURN_MS = 1_000;

export interface StageReport {
  staged: StagedRun[];
  /** Of tasks whose instants had passed: those that became no run. */
  skipped: StagedBatch["skipped"];
  retries: StagedRun[];
  /** Those of them for whose sake their queue rested. */
  firstRetries: StagedRun[];
  /** Runs that were held until their instant or their turn. */
  settled: SettledRuns;
  /** A batch was full: there is more. */
  more: boolean;
}

export interface PassOptions {
  tracer?: Tracer;
  /** Default: that of the clock. */
  time?: ScheduleTime;
  failed?: (error: unknown) => void;
  daily?: Pick<DailyLimits, "limitOf">;
  /** How long before their instants tasks are staged; of retries it is always a second. */
  aheadMs?: number;
}

export async function stagePass(
  store: Store,
  clock: Clock,
  {
    tracer = NO_TRACER,
    time = trueTime(clock),
    failed,
    daily = NO_DAILY_LIMITS,
    aheadMs = STAGE_AHEAD_MS,
  }: PassOptions = {},
): Promise<StageReport> {
  const now = clock.now();
  const inMs = (ms: number) => new Date(now.getTime() + ms);
  const { runs, skipped, taskCount } = await traceStaging(tracer, (trace) =>
    time.isVirtual
      ? stageOccurrences(store, time.now(), time.now(), STAGE_BATCH, { trace, readyAt: now, daily })
      : stageOccurrences(store, now, inMs(aheadMs), STAGE_BATCH, { trace, daily }),
  );
  const settled = await settleHeldRuns(store, now, STAGE_BATCH);
  // Of a task that was over with a run that is skipped after all, the next instant is due in a moment.
  const sought = settled.skipped.length > 0 ? await seekInstants(store, now, STAGE_BATCH) : { found: 0 };
  const queued = await queueDueRetries(store, inMs(STAGE_AHEAD_MS), STAGE_BATCH, failed);
  const retries = queued.map(({ comesFirst: _first, ...retry }) => retry);
  const firstRetries = queued.filter(({ comesFirst }) => comesFirst);
  const more =
    taskCount === STAGE_BATCH || retries.length === STAGE_BATCH || settled.more || sought.found > 0;
  return { staged: runs, skipped, retries, firstRetries, settled, more };
}

/** How long to sleep when the next instants are `next`. Pure. */
export function decideSleepMs(
  { due, retry, held, hasWaiting }: NextInstants,
  now: Date,
  longestMs = MAX_SLEEP_MS,
  { aheadMs, goodForMs }: Ahead = FEW_DUE,
): number {
  const untilMs = [hasWaiting ? TURN_MS : longestMs];
  if (due) {
    const untilDueMs = due.getTime() - now.getTime();
    untilMs.push(untilDueMs - aheadMs);
    // It may be the first of a herd.
    untilMs.push(untilDueMs > HERD_AHEAD_MS ? untilDueMs - HERD_AHEAD_MS : goodForMs);
  }
  if (retry) untilMs.push(retry.getTime() - STAGE_AHEAD_MS - now.getTime());
  if (held) untilMs.push(held.getTime() - now.getTime());
  return Math.max(Math.min(...untilMs), 0);
}

/** After a failed pass the loop waits this long, so that an outage of the database is no storm. */
const RETRY_MS = 500;
/** Instants closer together than this are staged together. */
const MIN_SLEEP_MS = 20;

export interface LoopOptions extends Pick<PassOptions, "tracer" | "time"> {
  daily?: Pick<DailyLimits, "limitOf" | "isAny">;
  quiet?: Quiet;
}

/** To be woken where something changed. */
export function startStageLoop(
  store: Store,
  clock: Clock,
  on: { staged(report: StageReport, tookMs: number): void; failed(error: unknown): void },
  {
    tracer = NO_TRACER,
    time = trueTime(clock),
    daily = NO_DAILY_LIMITS,
    quiet = NEVER_QUIET,
  }: LoopOptions = {},
): Loop {
  const decideAhead = createStageAhead(store, clock, daily);
  const mover = time.isVirtual ? createClockMover(store, clock, time) : undefined;

  /** How long nothing is to be done. `target`: the virtual time's, of before the pass. */
  async function findWaitMs(target: Date | null, ahead: Ahead): Promise<number> {
    const next = await findNextInstants(store);
    // Asleep, the look for work sees what comes to be due.
    const longestMs = quiet.stretch(MAX_SLEEP_MS, "runs");
    if (!mover) return Math.max(decideSleepMs(next, clock.now(), longestMs, ahead), MIN_SLEEP_MS);
    const standsMs = await mover.moveOn(target, next.due);
    if (standsMs === 0) return 0;
    return Math.max(Math.min(standsMs, decideSleepMs({ ...next, due: null }, clock.now())), MIN_SLEEP_MS);
  }

  async function look(): Promise<number> {
    const beganMs = performance.now();
    const target = time.isVirtual ? time.target : null;
    const ahead = time.isVirtual ? FEW_DUE : await decideAhead();
    const { failed } = on;
    const report = await stagePass(store, clock, { tracer, time, failed, daily, aheadMs: ahead.aheadMs });
    on.staged(report, performance.now() - beganMs);
    return report.more ? 0 : await findWaitMs(target, ahead);
  }

  return startInstantLoop(clock, quiet, look, { retryMs: RETRY_MS, failed: on.failed });
}
