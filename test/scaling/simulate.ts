/**
 * A load shape against the real loop, windows, decisions and fleet of the autoscaler. Simulated are the clock, the
 * queue, and what a worker process does: it boots, fills its slots, and ends when it is asked to retire and has nothing left.
 */
import type { RoleStarted } from "../../core/role.ts";
import type { Load } from "../../core/store/demand.ts";
import { DEMAND_BOUND } from "../../core/store/demand.ts";
import type { SessionLock } from "../../core/store/session-lock.ts";
import { createFleet } from "../../runtime/autoscaler/fleet.ts";
import { startScaleLoop } from "../../runtime/autoscaler/scale-loop.ts";
import type { WorkerExit, WorkerProcess } from "../../runtime/autoscaler/worker-process.ts";
import { createManualClock, type ManualClock } from "../support/manual-clock.ts";
import type { LoadShape } from "./loads.ts";

export const SIMULATED = {
  slots: 100,
  minWorkers: 0,
  maxWorkers: 8,
  idleAfterMs: 30_000,
  aheadMs: 2_000,
  bootMs: 500,
};
const TICK_MS = 100;
const SECOND_MS = 1_000;

export interface Sample {
  second: number;
  waiting: number;
  running: number;
  /** The most runs that wanted a slot at one time since the sample before. */
  peak: number;
  starting: number;
  up: number;
  retiring: number;
}

export interface Simulation {
  shape: LoadShape;
  /** Once a second. */
  samples: Sample[];
  /** Every change of how many workers there should be: when, from how many, to how many. */
  steps: { second: number; before: number; workers: number }[];
  /** The longest a run waited for its slot. */
  maxWaitMs: number;
  finished: number;
  /** When the last run ended. */
  drainedSecond: number;
}

interface SimulatedWorker {
  id: string;
  isUp: boolean;
  isRetiring: boolean;
  busy: number;
  /** Runs that end together. */
  batches: { count: number; endsMs: number }[];
  exit(exit: WorkerExit): void;
}

export async function simulate(shape: LoadShape): Promise<Simulation> {
  const clock = createManualClock();
  const startMs = clock.now().getTime();
  const workers = new Set<SimulatedWorker>();
  const queue: { count: number; dueMs: number }[] = [];
  const result: Simulation = { shape, samples: [], steps: [], maxWaitMs: 0, finished: 0, drainedSecond: 0 };
  const sinceStartMs = () => clock.now().getTime() - startMs;
  const waiting = () => queue.reduce((sum, { count }) => sum + count, 0);
  const running = () => [...workers].reduce((sum, { busy }) => sum + busy, 0);

  let loop: ReturnType<typeof startScaleLoop> | undefined;
  const fleet = createFleet({
    ...{ launch: () => launch(workers, clock), drainMs: 0, leaseMs: 15_000, clock },
    on: {
      started() {},
      crashed: ({ detail }) => result.steps.push(fail(detail)),
      changed: () => loop?.wake(),
    },
  });
  const collect = async (): Promise<Load> => ({
    demand: {
      dueRuns: Math.min(waiting(), DEMAND_BOUND),
      runningRuns: running(),
      busySlots: running(),
      busyLongSlots: 0,
      waitingCallers: 0,
      upcomingRuns: shape.isKnownAhead ? countUpcoming(shape, sinceStartMs()) : 0,
    },
    workers: [...workers]
      .filter(({ isUp, isRetiring }) => isUp && !isRetiring)
      .map(({ id, busy }) => ({ id, busy, slots: SIMULATED.slots })),
  });
  loop = startScaleLoop({
    ...{ collect, fleet, startLock: ownLock(), limits: SIMULATED, clock },
    ...{ slots: SIMULATED.slots, aheadMs: SIMULATED.aheadMs },
    on: {
      looked() {},
      scaled: (wanted, before) =>
        result.steps.push({ second: sinceStartMs() / SECOND_MS, before, workers: wanted }),
      failed: (error) => fail(String(error)),
    },
  });
  let peak = 0;
  for (let atMs = 0; atMs <= shape.durationSeconds * SECOND_MS; atMs += TICK_MS) {
    const due = countDue(shape, atMs);
    if (due > 0) {
      queue.push({ count: due, dueMs: atMs });
      loop.wake();
    }
    for (const worker of workers) work(worker, queue, atMs, shape.runMs, result);
    peak = Math.max(peak, waiting() + running());
    if (atMs % SECOND_MS === 0) {
      const second = atMs / SECOND_MS;
      result.samples.push({ second, waiting: waiting(), running: running(), peak, ...fleet.counts() });
      peak = 0;
    }
    await clock.advance(TICK_MS);
  }
  await loop.stop();
  return result;
}

function fail(detail: string): never {
  throw new Error(`the simulation is wrong: ${detail}`);
}

function launch(workers: Set<SimulatedWorker>, clock: ManualClock): WorkerProcess {
  const exited = Promise.withResolvers<WorkerExit>();
  const id = String(clock.now().getTime() * 100 + workers.size);
  const worker: SimulatedWorker = {
    ...{ id, isUp: false, isRetiring: false, busy: 0, batches: [] },
    exit(exit) {
      workers.delete(worker);
      exited.resolve(exit);
    },
  };
  workers.add(worker);
  const started = clock.sleep(SIMULATED.bootMs).then((): RoleStarted => {
    worker.isUp = true;
    return { port: 0, id };
  });
  return {
    pid: 0,
    started,
    exited: exited.promise,
    retire() {
      worker.isRetiring = true;
    },
    signal: (signal) => fail(`a worker is sent ${signal}`),
  };
}

/** What a tick does to a worker: runs end, slots are filled, and one that retires and has nothing left ends. */
function work(
  worker: SimulatedWorker,
  queue: { count: number; dueMs: number }[],
  nowMs: number,
  runMs: number,
  result: Simulation,
): void {
  for (const batch of worker.batches.filter(({ endsMs }) => endsMs <= nowMs)) {
    worker.busy -= batch.count;
    result.finished += batch.count;
    result.drainedSecond = nowMs / SECOND_MS;
  }
  worker.batches = worker.batches.filter(({ endsMs }) => endsMs > nowMs);
  if (worker.isRetiring) {
    if (worker.isUp && worker.busy === 0) worker.exit({ isClean: true, detail: "exit code 0" });
    return;
  }
  while (worker.isUp && worker.busy < SIMULATED.slots && queue[0]) {
    const count = Math.min(SIMULATED.slots - worker.busy, queue[0].count);
    result.maxWaitMs = Math.max(result.maxWaitMs, nowMs - queue[0].dueMs);
    worker.busy += count;
    worker.batches.push({ count, endsMs: nowMs + runMs });
    queue[0].count -= count;
    if (queue[0].count === 0) queue.shift();
  }
}

/** Within a second runs come evenly: what is due up to this tick, less what was due up to the one before. */
function countDue({ arrivals, atOnce }: LoadShape, atMs: number): number {
  const runs = arrivals[Math.floor(atMs / SECOND_MS)] ?? 0;
  const part = atMs % SECOND_MS;
  if (atOnce) return part === 0 ? runs : 0;
  return Math.floor((runs * (part + TICK_MS)) / SECOND_MS) - Math.floor((runs * part) / SECOND_MS);
}

function countUpcoming(shape: LoadShape, nowMs: number): number {
  let runs = 0;
  const firstMs = Math.floor(nowMs / TICK_MS) * TICK_MS + TICK_MS;
  for (let atMs = firstMs; atMs <= nowMs + SIMULATED.aheadMs; atMs += TICK_MS) runs += countDue(shape, atMs);
  return runs;
}

/** There is one autoscaler here. */
function ownLock(): SessionLock {
  let isHeld = false;
  return {
    tryTake: async () => {
      isHeld = true;
      return true;
    },
    isHeld: () => isHeld,
    release: async () => {
      isHeld = false;
    },
    close: async () => {},
  };
}
