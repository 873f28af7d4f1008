/**
 * A worker: its heartbeat, its intake, its attempts and its recorder as actors of one process, put together from the
 * runtime's own lease, slots, running attempts and decisions. What it keeps in memory is gone with its process.
 */
import { SWEEP_OVERDUE_MS } from "../../../core/store/runs/find-claimable.ts";
import { createWorkerLease, type WorkerLease } from "../../../runtime/lease.ts";
import { createRunningAttempts, type RunningAttempts } from "../../../runtime/running-attempts.ts";
import { createSlots, type Slots } from "../../../runtime/slots.ts";
import { listOverdue } from "../database/claim.ts";
import type { View } from "../database/database.ts";
import {
  endLostRun,
  listOwned,
  listOwnedRuns,
  type OwnedRun,
  releaseRuns,
  renew,
  renewLease,
} from "../database/owned.ts";
import type { Actor } from "../simulation/actors.ts";
import type { Process } from "../simulation/processes.ts";
import { ConnectionLost, restBetween, restUntil, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";
import { type AttemptWeather, createAttempts } from "./attempts.ts";
import { drain } from "./drain.ts";
import { createIntake, type Intake } from "./intake.ts";
import { letGo, STEPWISE_EVERY } from "./scheduler.ts";

/** As in runtime/worker.ts and runtime/loops.ts. */
const SWEEP_MS = 2_000;
const RETRY_MS = 500;

/** What the parts of a worker share. */
export interface Worker {
  world: World;
  process: Process;
  id: string;
  leaseMs: number;
  attempts: AttemptWeather;
  lease: WorkerLease;
  slots: Slots;
  running: RunningAttempts;
  beat(): Script;
  /** The same where nothing comes between; false: it is to be done step by step. */
  beatAtOnce(by: Actor): boolean;
  giveBack(runs: readonly { id: string; claimNo: number }[]): Script;
}

export interface WorkerSetup {
  leaseMs: number;
  slots: number;
  attempts: AttemptWeather;
}

export function startWorker(world: World, process: Process, setup: WorkerSetup): void {
  const worker = createWorker(world, process, setup);
  const attempts = createAttempts(worker);
  const intake = createIntake(worker, attempts.begin);
  process.hear = intake.hear;
  process.onNote = ({ channel, runIds }) => {
    if (channel === "bellhop_cancel") worker.running.cancel([...runIds]);
  };
  process.drain = () =>
    void world.spawn(
      process,
      "drain",
      drain(worker, intake, () => settle(worker, intake)),
    );
  world.spawn(process, "main", main(worker, intake));
  world.spawn(process, "recorder", attempts.record());
}

function createWorker(world: World, process: Process, setup: WorkerSetup): Worker {
  const { leaseMs } = setup;
  const id = `${process.name}.${process.incarnation}`;
  const lease = createWorkerLease(leaseMs, world.clockOf(process));
  let beats = 0;
  return {
    ...{ world, process, id, leaseMs, lease },
    attempts: setup.attempts,
    slots: createSlots(setup.slots),
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
    beatAtOnce(by) {
      beats += 1;
      if (!world.isCalm && beats % STEPWISE_EVERY === 0) return false;
      const renewed = lease.renewing();
      if (!world.doAtOnce(by, (view) => renew(view, id, leaseMs))) return false;
      renewed();
      return true;
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
  const look = () => world.database.look(world.nowMs);
  const loops: [string, number, Loop][] = [
    ["heartbeat", leaseMs / 3, { pass: worker.beat, passAtOnce: worker.beatAtOnce }],
    ["settle", leaseMs / 3, { pass: () => settle(worker, intake), passAtOnce: () => agrees(worker, look()) }],
  ];
  if (!world.hasBug("no-sweep"))
    loops.push([
      "sweep",
      SWEEP_MS,
      {
        pass: () => sweep(slots, intake),
        passAtOnce: () => slots.free() === 0 || listOverdue(look(), SWEEP_OVERDUE_MS).length === 0,
      },
    ]);
  for (const [name, everyMs, loop] of loops) world.spawn(process, name, repeat(world, everyMs, loop));
  world.spawn(process, "intake", intake.run());
}

interface Loop {
  pass(): Script;
  passAtOnce(by: Actor): boolean;
}

/** As runtime/loops.ts: it begins with a rest, and comes sooner after a pass that failed. */
function* repeat(world: World, everyMs: number, { pass, passAtOnce }: Loop): Script {
  let waitMs = everyMs;
  for (;;) {
    yield* restBetween(world.nowMs + waitMs, { everyMs, passAtOnce });
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

/** Whether the table and the worker agree. */
function agrees({ id, leaseMs, running }: Worker, view: View): boolean {
  const owned = listOwned(view, id, leaseMs);
  return (
    owned.length === running.listKnown().length &&
    owned.every((run) => !run.cancelRequested && running.find(run) !== undefined)
  );
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
