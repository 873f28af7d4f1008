/**
 * A storm: which faults come and how often, who goes on next, what is asked meanwhile. All of it is drawn first, so that
 * some interleavings are all crashes and others none, and each storm seeks its own kind of trouble.
 */
import type { Random } from "../../support/random.ts";
import { isGranted } from "../database/admit.ts";
import type { RunRow } from "../database/rows.ts";
import { REQUESTS, type RequestKind } from "../requests.ts";
import type { Setup } from "../setup.ts";
import type { Move } from "../simulation/moves.ts";
import type { World } from "../simulation/world.ts";
import { drawFault, FAULTS, type FaultWeather } from "./faults.ts";
import { listSteps, type Step } from "./steps.ts";

export interface Storm extends FaultWeather {
  moves: number;
  faultRate: number;
  requestRate: number;
  advanceRate: number;
  /**
   * `any`: whoever can go on does, each as likely. `ranks`: always the first by ranks that are drawn once, and now and
   * then the first becomes the last: orders that need somebody to be late for long come sooner (probabilistic
   * concurrency testing).
   */
  order: "any" | "ranks";
  /** No fault or request comes before a run is there, or is under way. */
  waitsFor: "nothing" | "run" | "attempt";
}

/** What often comes without others: what a worker does after it stood still, or was cut off, needs no other fault. */
const ALONE: Storm["faults"] = [...FAULTS, "freeze", "freeze", "freeze", "stall", "stall", "crash"];

/** Whose connections it would rather strike. */
const TARGETS = ["heartbeat", "intake", "recorder", "stage", "settle", "rescue", "permits"] as const;

export function drawStorm(random: Random): Storm {
  return {
    moves: random.pick([80, 160, 320, 480]),
    faultRate: random.pick([0.01, 0.02, 0.05, 0.1]),
    requestRate: random.pick([0, 0.02, 0.08]),
    advanceRate: random.pick([0, 0.02, 0.1]),
    faults: random.next() < 0.6 ? [random.pick(ALONE)] : FAULTS.filter(() => random.next() < 0.4),
    target: random.maybe(() => random.pick(TARGETS)) ?? null,
    order: random.pick(["any", "ranks", "ranks"] as const),
    waitsFor: random.pick(["nothing", "run", "attempt", "attempt"] as const),
  };
}

/** Draws one move after another. */
export function createStorm(world: World, setup: Setup, storm: Storm, random: Random): () => Move {
  const chooseStep = storm.order === "ranks" ? createRanks(random) : random.pick<Step>;
  let isBlowing = false;

  return () => {
    isBlowing ||= canBegin(world, storm);
    if (isBlowing) {
      if (storm.faults.length > 0 && random.next() < storm.faultRate) {
        const fault = drawFault(world, storm, random);
        if (fault) return fault;
      }
      const rate = isBetweenStatements(world) ? 3 * storm.requestRate : storm.requestRate;
      if (random.next() < rate) return drawRequest(world, setup, random);
    }
    for (const { name, isUp } of world.processes.values())
      if (!isUp && random.next() < 0.03) return { kind: "start", process: name };
    if (random.next() < storm.advanceRate) return { kind: "advance" };
    const steps = listSteps(world);
    return steps.length > 0 ? toMove(chooseStep(steps), random) : { kind: "advance" };
  };
}

function canBegin({ database, lastWrittenRun }: World, { waitsFor }: Storm): boolean {
  if (waitsFor === "nothing") return true;
  if (lastWrittenRun === undefined) return false;
  return waitsFor === "run" || database.read("runs").get(lastWrittenRun)?.state === "running";
}

/** @returns what chooses the first in rank */
function createRanks(random: Random): (steps: readonly Step[]) => Step {
  const ranks = new Map<string, number>();
  let demoted = 0;
  const rankOf = (name: string) => {
    const known = ranks.get(name);
    if (known !== undefined) return known;
    const rank = random.next();
    ranks.set(name, rank);
    return rank;
  };
  const findFirst = (steps: readonly Step[]) =>
    steps.reduce((first, step) => (rankOf(step.name) > rankOf(first.name) ? step : first));
  return (steps) => {
    const first = findFirst(steps);
    if (random.next() >= 0.04) return first;
    demoted += 1;
    ranks.set(first.name, -demoted);
    return findFirst(steps);
  };
}

/** Half of them are about the run that was written last, or that has its permits and has not started: it will not be so for long. */
function drawRequest(world: World, setup: Setup, random: Random): Move {
  const runs = world.database.read("runs");
  const granted = [...runs.values()].find(isGranted);
  if (granted && random.next() < 0.5) return askOf(runs, granted, "cancel run");
  const written = world.lastWrittenRun === undefined ? undefined : runs.get(world.lastWrittenRun);
  if (written && random.next() < 0.5)
    return askOf(runs, written, drawRequestKind(world, written.taskId, random));
  const taskId = random.pick(setup.tasks).id;
  const of = drawRequestKind(world, taskId, random);
  return { kind: "request", of, taskId, choice: random.whole(0, 5) };
}

function askOf(runs: ReadonlyMap<string, RunRow>, run: RunRow, of: RequestKind): Move {
  const ofTask = [...runs.values()].filter(({ taskId }) => taskId === run.taskId);
  return { kind: "request", of, taskId: run.taskId, choice: ofTask.indexOf(run) };
}

/** Whoever has read and has yet to write may be wrong by then. */
function isBetweenStatements({ database }: World): boolean {
  for (const { name } of database.open()) if (name === "settle" || name === "rescue") return true;
  return false;
}

/** Of those that would do nothing none is asked often. */
function drawRequestKind({ database }: World, taskId: string, random: Random): RequestKind {
  const isPaused = database.read("tasks").get(taskId)?.state === "paused";
  if (isPaused && random.next() < 0.4) return "resume";
  const hasDead = [...database.read("runs").values()].some((run) => run.state === "dead");
  if (hasDead && random.next() < 0.4) return "redrive";
  return random.pick(REQUESTS);
}

export function toMove(step: Step, random: Random): Move {
  if (step.kind !== "bell") return step.move;
  return { kind: "bell", bell: step.name, process: random.pick(step.hearers).name };
}
