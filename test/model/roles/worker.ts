/**
 * A worker: its heartbeat, its intake, its attempts and its recorder as actors of one process, put together from the
 * runtime's own lease, slots, running attempts and decisions. What it keeps in memory is gone with its process.
 */
import { createWorkerLease, type WorkerLease } from "../../../runtime/lease.ts";
import { createRunningAttempts, type RunningAttempts } from "../../../runtime/running-attempts.ts";
import { createSlots, type Slots } from "../../../runtime/slots.ts";
import { endLostRun, listOwnedRuns, type OwnedRun, releaseRuns, renewLease } from "../database/finish.ts";
import { ConnectionLost, restUntil, type Script } from "../simulation/script.ts";
import type { Process, World } from "../simulation/world.ts";
import { createAttempts } from "./attempts.ts";
import { createIntake, type Intake } from "./intake.ts";
import { letGo } from "./scheduler.ts";

/** As in runtime/worker.ts and runtime/loops.ts. */
const SWEEP_MS = 2_000;
const RETRY_MS = 500;

/** What the parts of a worker share. */
export interface Worker {
  world: World;
  process: Process;
  id: string;
  leaseMs: number;
  lease: WorkerLease;
  slots: Slots;
  running: RunningAttempts;
  beat(): Script;
  giveBack(runs: readonly { id: string; claimNo: number }[]): Script;
}

export function startWorker(world: World, process: Process, leaseMs: number, slotCount: number): void {
  const worker = createWorker(world, process, leaseMs, slotCount);
  const attempts = createAttempts(worker);
  const intake = createIntake(worker, attempts.begin);
  process.hear = intake.hear;
  process.onNote = ({ channel, runIds }) => {
    if (channel === "bellhop_cancel") worker.running.cancel([...runIds]);
  };
  world.spawn(process, "main", main(worker, intake));
  world.spawn(process, "recorder", attempts.record());
}

function createWorker(world: World, process: Process, leaseMs: number, slotCount: number): Worker {
  const id = `${process.name}.${process.incarnation}`;
  const lease = createWorkerLease(leaseMs, world.clockOf(process));
  return {
    ...{ world, process, id, leaseMs, lease },
    slots: createSlots(slotCount),
    running: createRunningAttempts(),
    *beat() {
      if (world.hasBug("lease-counted-from-confirmation")) {
        yield* renewLease(id, leaseMs);
        lease.renewing()();
        return;
      }
      const renewed = lease.renewing();
      yield* renewLease(id, leaseMs);
      renewed();
    },
    *giveBack(runs) {
      if (runs.length === 0) return;
      const { released, wantedKeys } = yield* releaseRuns(id, runs);
      world.ring(released);
      yield* letGo(world, wantedKeys);
    },
  };
}

function* main(worker: Worker, intake: Intake): Script {
  const { world, process, leaseMs, slots } = worker;
  for (;;) {
    try {
      yield* worker.beat();
      break;
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      yield* restUntil(world.nowMs + RETRY_MS);
    }
  }
  world.spawn(process, "heartbeat", repeat(world, leaseMs / 3, worker.beat));
  world.spawn(
    process,
    "settle",
    repeat(world, leaseMs / 3, () => settle(worker, intake)),
  );
  world.spawn(process, "intake", intake.run());
  if (!world.hasBug("no-sweep"))
    world.spawn(
      process,
      "sweep",
      repeat(world, SWEEP_MS, () => sweep(slots, intake)),
    );
}

/** As runtime/loops.ts: it begins with a rest, and comes sooner after a pass that failed. */
function* repeat(world: World, everyMs: number, pass: () => Script): Script {
  let waitMs = everyMs;
  for (;;) {
    yield* restUntil(world.nowMs + waitMs);
    waitMs = everyMs;
    try {
      yield* pass();
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      waitMs = Math.min(everyMs, RETRY_MS);
    }
  }
}

// biome-ignore lint/correctness/useYield: a pass of a loop, like the others
function* sweep(slots: Slots, intake: Intake): Script {
  if (slots.free() > 0) intake.sweep();
}

/** As runtime/owned-runs.ts: what the table and the worker do not agree about. */
function* settle(worker: Worker, intake: Intake): Script {
  const { world, process, id, leaseMs, running } = worker;
  const known = running.listKnown();
  const owned = yield* listOwnedRuns(id, leaseMs);
  if (!world.hasBug("lost-runs-go-on"))
    running.stopLost(
      known,
      owned.map((run) => ({ id: run.id, claimNo: run.claimNo })),
    );
  running.cancel(owned.filter(({ cancelRequested }) => cancelRequested).map((run) => run.id));
  if (world.hasBug("claims-forgotten")) return;
  const unknown = owned.filter((run) => run.isOld && running.find(run) === undefined);
  if (unknown.length > 0) world.spawn(process, "forgotten", settleForgotten(worker, intake, unknown));
}

/** Once every claim that was under way has begun its runs or failed: what is still unknown then, nobody will begin. */
function* settleForgotten(worker: Worker, intake: Intake, suspects: OwnedRun[]): Script {
  yield* intake.whenClaimed();
  const runs = suspects.filter((run) => worker.running.find(run) === undefined);
  for (const run of runs.filter((run) => run.cancelRequested))
    yield* endLostRun(worker.world, worker.id, run);
  yield* worker.giveBack(runs.filter((run) => !run.cancelRequested));
}
