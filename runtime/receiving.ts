/** How a worker receives runs: from a lane of the queue, with sweeps of the table behind it, or only from events. */
import type { Clock } from "../core/clock.ts";
import { type Lane, laneOf, type ReceiveMode } from "../core/domain/lane.ts";
import type { Hearing } from "../core/queue/hearing.ts";
import type { Consumption, QueueTransport } from "../core/queue/transport.ts";
import type { RunEnds } from "../core/run-ends/run-ends.ts";
import type { Store } from "../core/store/database.ts";
import { type ClaimedRun, claimDueRuns, claimRuns, claimShortRuns } from "../core/store/runs/claim.ts";
import {
  findEarlyRuns,
  hasOverdueRuns,
  msUntilNextQueued,
  SWEEP_OVERDUE_MS,
} from "../core/store/runs/find-claimable.ts";
import type { WorkerFacts } from "../core/store/workers.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { WorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { createEventIntake, type EventIntake, type RunEnd } from "./events/event-intake.ts";
import { giveBack } from "./give-back.ts";
import { type ClaimSource, createIntake } from "./intake.ts";
import type { WorkerLease } from "./lease.ts";
import { measureBellClaims, measureClaims } from "./measured-store.ts";
import type { Slots } from "./slots.ts";

export interface ReceivingParts {
  receive: ReceiveMode;
  /** From an event no run is claimed that may take longer. */
  eventsWindowMs: number;
  facts: WorkerFacts;
  store: Store;
  transport: QueueTransport;
  clock: Clock;
  log: Logger;
  metrics: WorkerMetrics;
  ends: RunEnds;
  lease: WorkerLease;
  renewLease(): Promise<void>;
}

export interface Receiving {
  /** Where events are taken; they are all that such a worker receives. */
  events?: EventIntake;
  /** Looks in the table at once, and often as long as, and whenever, no bells are heard. */
  begin(): Promise<void>;
  /** Looks for runs whose bell was lost. */
  sweep(): void;
  /** More runs are due than there is room for, as far as is known. */
  hasBacklog(): boolean;
  /** Resolves when the claim that is under way now has begun what it found, or failed. */
  whenClaimed(): Promise<void>;
  /** Takes nothing more. `claimed`: the claim under way is done; `ended`: the transport has let go too. */
  stop(): { claimed: Promise<void>; ended: Promise<void> };
}

/** A worker that hears no bells looks for due runs this often, then less and less, at last like the sweep. */
const LOOK_MS = { first: 100, factor: 1.1, last: 2_000 };

type Work = (run: ClaimedRun) => Promise<RunEnd>;

/** `work` runs a claimed run in a slot, gives the slot back, and rejects where the run was left to its lease. */
export function createReceiving(parts: ReceivingParts, slots: Slots, work: Work): Receiving {
  const lane = laneOf(parts.receive);
  return lane === undefined ? receiveEvents(parts, slots, work) : receiveLane(parts, lane, slots, work);
}

/**
 * Without a lease nothing is claimed, nor under one that a crash of the database would lose: the rescue would take it at
 * once. Nor is anything begun whose claim was answered after the lease lapsed: it may have been rescued, and be at work
 * elsewhere. What was not is given back.
 */
async function claimUnderLease(
  parts: ReceivingParts,
  stopped: AbortSignal,
  claim: () => Promise<ClaimedRun[]>,
): Promise<ClaimedRun[]> {
  const { lease, renewLease, log } = parts;
  if (!lease.stands() || !lease.isDurable()) await renewLease();
  // Who drains would only give back what it finds.
  if (stopped.aborted) return [];
  const hasStood = lease.watch();
  const runs = await claim();
  if (runs.length === 0 || hasStood()) return runs;
  log.warn({ runs: runs.length }, "the lease ran out before a claim was answered: its runs are given back");
  await giveBack(runs, parts);
  return [];
}

function receiveLane(parts: ReceivingParts, lane: Lane, slots: Slots, work: Work): Receiving {
  const { store, transport, facts, clock, log } = parts;
  const stopped = new AbortController();
  const claims: ClaimSource = {
    claimRuns: (ids) => claimUnderLease(parts, stopped.signal, () => claimRuns(store, facts.id, ids)),
    async claimDueRuns(limit, overdueMs) {
      // The sweeps of a worker that is idle end here.
      if (overdueMs === SWEEP_OVERDUE_MS && !(await hasOverdueRuns(store))) return { runs: [], found: 0 };
      let found = 0;
      const runs = await claimUnderLease(parts, stopped.signal, async () => {
        const claim = await claimDueRuns(store, facts.id, limit, overdueMs);
        found = claim.found;
        return claim.runs;
      });
      return { runs, found };
    },
    findEarlyRuns: (ids) => findEarlyRuns(store, ids),
    msUntilNextQueued: () => msUntilNextQueued(store),
  };
  const intake = createIntake({
    ...{ source: measureClaims(claims, parts.metrics), slots, clock, bellsAreHints: lane === "runs" },
    // Whoever works logs what went wrong.
    start: (run) => void work(run).catch(() => undefined),
    onError: (error) => log.warn({ error }, "a claim failed; tried again soon"),
  });
  let consumption: Consumption | undefined;

  /** A consumer group takes seconds to be joined, and a broker may be away: while no bells are heard, the table tells. */
  function lookWhileDeaf(hearing: Hearing): void {
    let heard = new AbortController();
    hearing.watch((isHeard) => {
      heard.abort();
      if (isHeard) return;
      heard = new AbortController();
      intake.expectNoBells();
      void look(AbortSignal.any([heard.signal, stopped.signal]));
    });
  }

  async function look(ended: AbortSignal): Promise<void> {
    for (let waitMs = LOOK_MS.first; ; waitMs = Math.min(waitMs * LOOK_MS.factor, LOOK_MS.last)) {
      await clock.sleep(waitMs, ended);
      if (ended.aborted) return;
      intake.onHint();
    }
  }

  return {
    async begin() {
      intake.onHint();
      consumption = await transport.consume(intake, lane);
      lookWhileDeaf(consumption.hearing);
    },
    sweep: () => intake.sweep(),
    hasBacklog: () => intake.hasBacklog(),
    whenClaimed: () => intake.whenClaimed(),
    stop() {
      // In this order: a consumer that is not stopping would take a refused bell for an error.
      const ended = consumption?.stop() ?? Promise.resolve();
      stopped.abort();
      return { claimed: intake.close(), ended };
    },
  };
}

/** No consumer and no sweep: nothing would hold the worker while it runs what it found by itself. */
function receiveEvents(parts: ReceivingParts, slots: Slots, work: Work): Receiving {
  const { store, transport, facts, clock, log, eventsWindowMs, metrics } = parts;
  const stopped = new AbortController();
  const claims = {
    claimRuns: (ids: string[]) =>
      claimUnderLease(parts, stopped.signal, () => claimShortRuns(store, facts.id, ids, eventsWindowMs)),
    findEarlyRuns: (ids: string[]) => findEarlyRuns(store, ids),
  };
  const events = createEventIntake({
    ...{ windowMs: eventsWindowMs, clock, slots, work },
    ...measureBellClaims(claims, metrics),
    ring: (bells, lane) => transport.ring(bells, lane),
    onError: (error) => log.warn({ error }, "an event could not be taken; its sender tries again"),
  });
  return {
    events,
    begin: () => Promise.resolve(),
    sweep() {},
    hasBacklog: () => false,
    whenClaimed: () => events.whenClaimed(),
    stop() {
      stopped.abort();
      return { claimed: events.close(), ended: Promise.resolve() };
    },
  };
}
