/**
 * What a worker does again and again: it renews its lease, tells of its load, and looks behind its bells. One that has no
 * run does all of it each third of its lease, and looks every five seconds where that is longer: what an idle installation
 * costs is how often its processes are woken.
 */
import type { Clock } from "../core/clock.ts";
import type { Store } from "../core/store/database.ts";
import { lookWhileIdle } from "../core/store/runs/find-claimable.ts";
import type { WorkerFacts } from "../core/store/workers.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { WorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { joinLoops, type Loops, startBusyLoop, startLoops } from "./loops.ts";
import type { OwnedRuns } from "./owned-runs.ts";
import type { Receiving } from "./receiving.ts";
import type { RunningAttempts } from "./running-attempts.ts";
import type { Slots } from "./slots.ts";

interface WorkerLoopParts {
  facts: WorkerFacts;
  leaseMs: number;
  store: Store;
  clock: Clock;
  log: Logger;
  metrics: WorkerMetrics;
  slots: Slots;
  running: RunningAttempts;
  heartbeat: Heartbeat;
  receiving: Receiving;
  ownedRuns: OwnedRuns;
}

/** A worker at work looks for overdue runs this often, and an idle one as often as for its own: the bell behind the bell. */
const SWEEP_MS = 2_000;
/** A worker whose slots were taken or freed tells it this often. */
const LOAD_MS = 1_000;
/** However long the lease is, a run whose bell was lost where no scheduler could ring again waits no longer for an idle worker. */
const MAX_IDLE_LOOK_MS = 5_000;

export function startWorkerLoops(parts: WorkerLoopParts): Loops {
  const { facts, leaseMs, store, clock, log, metrics, slots, running, heartbeat, receiving, ownedRuns } =
    parts;
  const onError = (error: unknown) => {
    metrics.heartbeatErrors.inc();
    log.warn({ error }, "the worker's heartbeat or sweep failed; tried again soon");
  };

  async function lookBehindBells(): Promise<void> {
    if (!slots.isIdle() || running.all().length > 0) return await ownedRuns.settle();
    const { ownsRuns, hasOverdue } = await lookWhileIdle(store, facts.id);
    if (hasOverdue) receiving.sweep();
    if (ownsRuns) await ownedRuns.settle();
  }

  function sweep(): boolean {
    receiving.sweep();
    return false;
  }

  const everyMs = leaseMs / 3;
  return joinLoops(
    startLoops(
      clock,
      [
        // The first lease is confirmed without the wait for a disk; this one waits.
        { everyMs, pass: heartbeat.keepUp, beginsAtOnce: true },
        { everyMs: Math.min(everyMs, MAX_IDLE_LOOK_MS), pass: lookBehindBells },
      ],
      onError,
    ),
    startBusyLoop(clock, slots, { everyMs: LOAD_MS, pass: heartbeat.tellLoad }, onError),
    startBusyLoop(clock, slots, { everyMs: SWEEP_MS, pass: sweep }, onError),
  );
}
