/** As runtime/intake.ts and runtime/receiving.ts: from bells to claimed runs, under the worker's lease. */

import { SWEEP_OVERDUE_MS } from "../../../core/store/runs/find-claimable.ts";
import { CLAIM_BATCH, chooseServed, decideClaim } from "../../../runtime/decide-claim.ts";
import { LEFT_OVER_MS } from "../../../runtime/intake.ts";
import { type Claim, type ClaimedRun, claimDueRuns, claimRuns, findEarlyRuns } from "../database/claim.ts";
import type { Bell } from "../simulation/messages.ts";
import { ConnectionLost, restBetween, restUntil, type Script } from "../simulation/script.ts";
import type { Worker } from "./worker.ts";

export interface Intake {
  hear(bell: Bell): void;
  sweep(): void;
  /** Comes to its end when the claim that is under way now has begun what it found, or failed. */
  whenClaimed(): Script;
  run(): Script;
  /** It hears nothing more, and claims nothing; what it has heard another hears. */
  close(): void;
}

interface WaitingBell {
  runId: string;
  bell: Bell | null;
}

const LOOK_AHEAD_MS = 11_000;
/** Of a run that is due and locked. The worker looks after 1 ms, doubling to 128 ms: for the model only more moves. */
const LOCKED_WAIT_MS = 50;

export function createIntake(worker: Worker, begin: (run: ClaimedRun) => void): Intake {
  const { world, process, lease, slots } = worker;
  let waiting: WaitingBell[] = [];
  let searchOverdueMs: number | null = 0;
  let isClaiming = false;
  let claims = 0;
  let isClosed = false;

  function settle(dealt: readonly WaitingBell[]): void {
    const gone = new Set(dealt);
    waiting = waiting.filter((bell) => !gone.has(bell));
    // Another hears what a closed one had heard, whether it was dealt with or not.
    if (!isClosed) for (const { bell } of dealt) if (bell) world.settleBell(bell);
  }

  function hold(runId: string, waitMs: number): void {
    if (waitMs > LOOK_AHEAD_MS) return;
    world.spawn(process, `early ${runId}`, ringLater(runId, Math.max(waitMs, LOCKED_WAIT_MS)));
  }

  function* ringLater(runId: string, waitMs: number): Script {
    yield* restUntil(world.nowMs + waitMs);
    waiting.push({ runId, bell: null });
    world.signal(process, "work");
  }

  function search(overdueMs: number): void {
    searchOverdueMs = Math.min(searchOverdueMs ?? overdueMs, overdueMs);
    world.signal(process, "work");
  }

  function* searchLeftOver(): Script {
    yield* restUntil(world.nowMs + LEFT_OVER_MS);
    search(LEFT_OVER_MS);
  }

  function* claimUnderLease(claim: () => Script<Claim>): Script<Claim> {
    if (!lease.stands()) yield* worker.beat();
    const hasStood = lease.watch();
    const claimed = yield* claim();
    if (claimed.runs.length === 0 || hasStood() || world.hasBug("begins-after-lapse")) return claimed;
    yield* worker.giveBack(claimed.runs);
    return { ...claimed, runs: [] };
  }

  function start(runs: readonly ClaimedRun[]): void {
    slots.take(runs.length);
    for (const run of runs) begin(run);
  }

  function* claimNamed(count: number): Script {
    const batch = waiting.slice(0, count);
    const ids = [...new Set(batch.map(({ runId }) => runId))];
    try {
      const { runs } = yield* claimUnderLease(() => claimRuns(world, worker.id, ids));
      start(runs);
      const claimed = new Set(runs.map(({ id }) => id));
      const missed = ids.filter((id) => !claimed.has(id));
      const early = yield* holdEarly(missed);
      if (early < missed.length) world.spawn(process, "left over", searchLeftOver());
    } finally {
      settle(batch);
    }
  }

  function* claimBest(count: number, overdueMs: number): Script {
    searchOverdueMs = null;
    const heard = overdueMs === 0 ? waiting.slice(0, CLAIM_BATCH) : [];
    let dealt = heard.slice(0, count);
    try {
      const { runs, found } = yield* claimUnderLease(() => claimDueRuns(world, worker.id, count, overdueMs));
      start(runs);
      if (found >= count) {
        dealt = chooseServed(heard, runs, found);
        searchOverdueMs = 0;
        return;
      }
      dealt = heard;
      const claimed = new Set(runs.map(({ id }) => id));
      yield* holdEarly(heard.map(({ runId }) => runId).filter((id) => !claimed.has(id)));
    } finally {
      settle(dealt);
    }
  }

  function* holdEarly(runIds: readonly string[]): Script<number> {
    if (runIds.length === 0) return 0;
    const early = yield* findEarlyRuns([...new Set(runIds)]);
    for (const { id, waitMs } of early) hold(id, waitMs);
    return early.length;
  }

  return {
    close() {
      isClosed = true;
      if (world.hasBug("draining-commits-its-bells"))
        for (const { bell } of waiting) if (bell) world.commitBell(bell);
      waiting = [];
      process.isDeaf = true;
      world.giveBellsBack(process);
      world.signal(process, "work");
    },
    hear(bell) {
      if (world.hasBug("offset-committed-early")) world.commitBell(bell);
      const earlyMs = bell.availableAtMs - world.nowMs - process.clockOffsetMs;
      if (earlyMs > 0) {
        hold(bell.runId, earlyMs);
        world.settleBell(bell);
        return;
      }
      waiting.push({ runId: bell.runId, bell });
      world.signal(process, "work");
    },
    sweep: () => search(SWEEP_OVERDUE_MS),
    *whenClaimed() {
      const now = claims;
      const isUnderWay = () => isClaiming && claims === now;
      while (isUnderWay()) yield* restBetween(world.nowMs + 10, { everyMs: 10, passAtOnce: isUnderWay });
    },
    *run() {
      while (!isClosed) {
        const view = { bells: waiting.length, freeSlots: slots.free(), searchOverdueMs, bellsAreHints: true };
        const next = decideClaim(view);
        if (!next) {
          yield* restUntil(Number.POSITIVE_INFINITY, "work");
          continue;
        }
        isClaiming = true;
        try {
          yield* next.from === "bells" ? claimNamed(next.count) : claimBest(next.count, next.overdueMs);
        } catch (error) {
          if (!(error instanceof ConnectionLost)) throw error;
        }
        isClaiming = false;
        claims += 1;
      }
    },
  };
}
