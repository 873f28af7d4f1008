/**
 * The autoscaler's pass: collect → window → decide → act, at each bell and at least every second; where nothing is wanted
 * and no worker stands, in time for the next instant that is planned, and at least every five seconds. One pass (`look`)
 * stands apart from its loop. A pass that cannot read the demand changes nothing: no news is no reason to scale.
 */
import type { Clock } from "../../core/clock.ts";
import { type Loop, startLoop } from "../../core/loop-rest.ts";
import { type Load, totalDemand } from "../../core/store/demand.ts";
import type { SessionLock } from "../../core/store/session-lock.ts";
import type { ServingWorker } from "../../core/store/workers.ts";
import {
  decideScale,
  type FleetView,
  msUntilIdle,
  type ScaleDecision,
  type ScaleLimits,
  startScaling,
} from "./decide-scale.ts";
import { createDemandWindow } from "./demand-window.ts";
import type { Fleet } from "./fleet.ts";

export interface ScaleParts {
  collect(): Promise<Load>;
  fleet: Fleet;
  /** Held while workers start here: one autoscaler of all starts some, and counts everybody's. */
  startLock: SessionLock;
  limits: ScaleLimits;
  /** Of a worker that is started here. */
  slots: number;
  /** How long before an instant its workers are wanted: looks come at least twice as often, but at rest in time for the next. */
  aheadMs: number;
  clock: Clock;
  on: {
    looked(load: Load, decision: ScaleDecision): void;
    /** The number of workers was changed: wanted, had before, and what for. */
    scaled(workers: number, before: number, load: Load): void;
    failed(error: unknown): void;
  };
}

/** Looks are this far apart at most: readings make the windows, and upcoming instants are found by looking. */
const MAX_WAIT_MS = 1_000;
/** Where nothing is wanted: whoever plans something that is due sooner rings. */
const MAX_REST_MS = 5_000;
/** Bells come in storms; looks do not. From zero the first bell is answered at once. */
const MIN_WAIT_MS = { atZero: 20, withWorkers: 200 };

/** To be woken where a bell rang, or the fleet has changed. */
export function startScaleLoop(parts: ScaleParts): Loop {
  const { clock, fleet, startLock, on } = parts;
  const loop = startLoop(clock, createLook(parts), {
    retryMs: MAX_WAIT_MS,
    failed: on.failed,
    quietMs() {
      const { starting, up } = fleet.counts();
      return starting + up === 0 ? MIN_WAIT_MS.atZero : MIN_WAIT_MS.withWorkers;
    },
  });
  return {
    wake: loop.wake,
    async stop() {
      await loop.stop();
      await startLock.release();
    },
  };
}

/** One pass; answers how long to wait for the next at most. */
export function createLook(parts: ScaleParts): () => Promise<number> {
  const { clock, fleet, startLock, limits, on } = parts;
  const window = createDemandWindow();
  let state = startScaling(clock.now().getTime());
  /**
   * Rows that stood while none of ours started. Whoever has the lock starts alone: of autoscalers' workers, what comes then
   * is ours. One that somebody starts by hand is taken for ours until ours has told its id.
   */
  let othersIds: ReadonlySet<string> = new Set();

  async function decide(): Promise<{ load: Load; decision: ScaleDecision; own: number }> {
    const load = await parts.collect();
    const now = clock.now();
    window.add(now.getTime(), totalDemand(load.demand));
    const { runningRuns, busySlots } = load.demand;
    const reading = { ...window.read(now.getTime()), running: Math.max(runningRuns, busySlots) };
    const { starting, up } = fleet.counts();
    if (starting === 0) othersIds = findOthers(load.workers, fleet);
    const view = viewFleet(load.workers, fleet, parts.slots, othersIds);
    const decision = decideScale(now, reading, view, limits, state);
    state = decision.state;
    on.looked(load, decision);
    return { load, decision, own: starting + up };
  }

  return async () => {
    let { load, decision, own } = await decide();
    if (decision.workers > own && fleet.msUntilStart() === 0 && !startLock.isHeld()) {
      // Whoever had the lock before may have started what was missing: with the lock, look again.
      if (await startLock.tryTake()) ({ load, decision, own } = await decide());
    }
    if (decision.workers > own && startLock.isHeld() && fleet.msUntilStart() === 0) {
      fleet.start(decision.workers - own);
      on.scaled(decision.workers, own, load);
    }
    if (decision.workers < own) {
      const before = fleet.counts().retiring;
      retire(own - decision.workers, load.workers);
      if (fleet.counts().retiring > before) on.scaled(decision.workers, own, load);
    }
    if (fleet.counts().starting === 0) await startLock.release();
    return Math.min(nextWait(decision, load), fleet.msUntilStart() || Number.POSITIVE_INFINITY);
  };

  /** No more retire at once than there may be workers: so there are never more than twice as many processes. */
  function retire(count: number, workers: ServingWorker[]): void {
    const busyOf = new Map(workers.map(({ id, busy }) => [id, busy]));
    const room = limits.maxWorkers - fleet.counts().retiring;
    fleet.retire(Math.min(count, room), (id) => busyOf.get(id) ?? 0);
  }

  function nextWait({ workers }: ScaleDecision, { restMs }: Load): number {
    if (workers === 0) {
      const { starting, up, retiring } = fleet.counts();
      const isAtRest = restMs !== undefined && starting + up + retiring === 0;
      return isAtRest
        ? Math.min(restMs, MAX_REST_MS)
        : Math.min(MAX_WAIT_MS, Math.max(parts.aheadMs / 2, 100));
    }
    return Math.min(MAX_WAIT_MS, msUntilIdle(clock.now(), limits, state) ?? MAX_WAIT_MS);
  }
}

function findOthers(rows: ServingWorker[], fleet: Fleet): Set<string> {
  const ownIds = new Set(fleet.ids());
  return new Set(rows.flatMap(({ id }) => (ownIds.has(id) ? [] : id)));
}

/** Ours that have no row yet are the youngest. One that starts may have its row before it has told its id. */
function viewFleet(
  rows: ServingWorker[],
  fleet: Fleet,
  slots: number,
  othersIds: ReadonlySet<string>,
): FleetView {
  const ownIds = new Set(fleet.ids());
  const { starting, up } = fleet.counts();
  let untold = starting;
  const workers = rows
    .filter(({ id }) => !fleet.isLeaving(id))
    .map((row) => {
      const isOwn = ownIds.has(row.id) || (!othersIds.has(row.id) && untold-- > 0);
      return { isOwn, slots: row.slots };
    });
  const rowless = starting + up - workers.filter(({ isOwn }) => isOwn).length;
  for (let added = 0; added < rowless; added += 1) workers.push({ isOwn: true, slots });
  return { workers, slots };
}
