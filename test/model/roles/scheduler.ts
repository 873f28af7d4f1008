/** The scheduler's pass and those of its jobs that guarantees hang on, with the project's own decisions and periods. */
import { STAGE_AHEAD_MS } from "../../../core/domain/staging.ts";
import { createLeaseJudge, type ServerWord } from "../../../core/store/contact.ts";
import { OVERDUE_MS } from "../../../scheduler/jobs.ts";
import { createReringBackoff } from "../../../scheduler/rering-overdue.ts";
import { RING_LEAD_MS } from "../../../scheduler/ring-ahead.ts";
import { decideSleepMs } from "../../../scheduler/stage.ts";
import { findGrantableKeys, grantPermits, listGrantableKeys } from "../database/admit.ts";
import { findOverdueRuns, listOverdue } from "../database/claim.ts";
import { listLost, rescueLostRuns } from "../database/rescue.ts";
import type { RunRow } from "../database/rows.ts";
import { settleHeldRuns } from "../database/settle-held.ts";
import { findNextInstants, queueDueRetries, type StagedRun, stageOccurrences } from "../database/stage.ts";
import type { Process } from "../simulation/processes.ts";
import { ask, ConnectionLost, restBetween, restUntil, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";

/** As in scheduler/stage.ts and scheduler/jobs.ts. */
const RETRY_MS = 500;
const MIN_SLEEP_MS = 20;
const JOB_MS = 1_000;
/** Of passes that nothing need come between, so many are done step by step all the same: a statement can get lost. */
export const STEPWISE_EVERY = 4;

export function startScheduler(world: World, process: Process, leaseMs: number): void {
  const ringer = createRinger(world, process);
  const judge = createLeaseJudge(leaseMs, () => world.nowMs);
  const backoff = createReringBackoff();
  const nowMs = () => world.nowMs + process.clockOffsetMs;
  const look = () => world.database.look(world.nowMs);

  function* stage(): Script<number> {
    const now = nowMs();
    const horizonMs = now + STAGE_AHEAD_MS;
    const staged = yield* stageOccurrences(world, now, horizonMs);
    ringer.add(staged);
    const settled = yield* settleHeldRuns(world, now);
    ringer.add(settled.started);
    if (settled.asked.length > 0) world.notify("bellhop_cancel", settled.asked);
    ringer.add(yield* queueDueRetries(horizonMs));
    if (settled.more) return 0;
    const next = yield* findNextInstants();
    return Math.max(decideSleepMs(next, new Date(nowMs())), MIN_SLEEP_MS);
  }

  function* loopStage(): Script {
    for (;;) {
      let waitMs = RETRY_MS;
      try {
        waitMs = yield* stage();
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
      }
      if (waitMs > 0) yield* restUntil(world.nowMs + waitMs, "schedule");
    }
  }

  const wordAt = (ms: number): ServerWord => {
    const at = new Date(ms);
    return { at, exactAt: at.toISOString(), serverStartedAt: new Date(0) };
  };
  let contacts = 0;

  const keepContact: Job = {
    *pass() {
      judge.mayJudge(wordAt(yield* ask("contact", (view) => view.nowMs)));
    },
    passAtOnce() {
      contacts += 1;
      if (!world.isCalm && contacts % STEPWISE_EVERY === 0) return false;
      judge.mayJudge(wordAt(world.nowMs));
      return true;
    },
  };

  const rescue: Job = {
    *pass() {
      const { count, wantedKeys } = yield* rescueLostRuns(world, nowMs(), judge);
      if (count > 0) world.signal(process, "schedule");
      yield* letGo(world, wantedKeys);
    },
    passAtOnce: () => listLost(look(), world.nowMs).length === 0,
  };

  const toBell = ({ id, availableAtMs }: RunRow) => ({ runId: id, availableAt: new Date(availableAtMs) });
  const chooseOverdue = (overdue: readonly RunRow[]) =>
    backoff.choose(overdue.map(toBell), new Date(nowMs()));

  const rering: Job = {
    *pass() {
      const bells = chooseOverdue(yield* findOverdueRuns(OVERDUE_MS));
      world.ring(bells.map(({ runId, availableAt }) => ({ runId, availableAtMs: availableAt.getTime() })));
    },
    passAtOnce() {
      const isIdle = listOverdue(look(), OVERDUE_MS).length === 0;
      if (isIdle) chooseOverdue([]);
      return isIdle;
    },
  };

  const grantAll: Job = {
    *pass() {
      yield* letGo(world, yield* findGrantableKeys());
    },
    passAtOnce: () => listGrantableKeys(look()).length === 0,
  };

  process.onNote = ({ channel }) => {
    if (channel === "bellhop_schedule") world.signal(process, "schedule");
  };
  world.spawn(process, "stage", loopStage());
  world.spawn(process, "ringer", ringer.run());
  const jobs: [string, number, Job][] = [
    ["contact", Math.max(100, Math.min(leaseMs / 6, 2_500)), keepContact],
    ["rescue", Math.max(200, Math.min(leaseMs / 3, 5_000)), rescue],
    ["permits", JOB_MS, grantAll],
  ];
  if (!world.hasBug("no-sweep")) jobs.push(["re-ring", JOB_MS, rering]);
  for (const [name, everyMs, job] of jobs) world.spawn(process, name, repeat(world, everyMs, job));
}

interface Job {
  pass(): Script;
  passAtOnce(): boolean;
}

/** As `startJobs`: it waits its period after each pass, also after one that failed. */
function* repeat(world: World, everyMs: number, { pass, passAtOnce }: Job): Script {
  for (;;) {
    try {
      yield* pass();
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
    }
    yield* restBetween(world.nowMs + everyMs, { everyMs, passAtOnce });
  }
}

/** What waits for these keys is granted its permits, and rung. */
export function* letGo(world: World, keys: readonly string[]): Script {
  if (keys.length > 0) world.ring(yield* grantPermits(world, keys));
}

/** As scheduler/ring-ahead.ts: bells wait in memory until shortly before their instants. */
function createRinger(world: World, process: Process) {
  let waiting: StagedRun[] = [];
  const leaveAtMs = ({ availableAtMs }: StagedRun) => availableAtMs - RING_LEAD_MS - process.clockOffsetMs;

  function* run(): Script {
    for (;;) {
      const due = waiting.filter((bell) => leaveAtMs(bell) <= world.nowMs);
      waiting = waiting.filter((bell) => leaveAtMs(bell) > world.nowMs);
      world.ring(due);
      yield* restUntil(Math.min(...waiting.map(leaveAtMs), world.nowMs + 60_000), "bells");
    }
  }

  return {
    run,
    add(bells: readonly StagedRun[]) {
      if (bells.length === 0) return;
      waiting.push(...bells);
      world.signal(process, "bells");
    },
  };
}
