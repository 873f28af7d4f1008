/**
 * One interleaving: a storm of moves drawn at random, then all is healed, goes on, and is judged when it is quiet. Which
 * faults come and how often is drawn first, so that some interleavings are all crashes and others none.
 */
import { createRandom, type Random } from "../../support/random.ts";
import { createJudge, type Judge } from "../invariants/index.ts";
import type { Violation } from "../invariants/invariant.ts";
import type { HasBug } from "../planted-bugs.ts";
import { REQUESTS } from "../requests.ts";
import { drawSetup, type Setup, setUp } from "../setup.ts";
import type { Actor } from "../simulation/actors.ts";
import { canHear, type Fault, isConnected, listTravelling, type Move, play } from "../simulation/moves.ts";
import { createWorld, type World } from "../simulation/world.ts";

export interface Interleaving {
  seed: number;
  setup: Setup;
  /** Of the storm; what follows it is drawn from `calmSeed`. */
  storm: Move[];
  calmSeed: number;
  moveCount: number;
  violation: Violation | undefined;
}

/** How this storm blows. */
interface Storm {
  moves: number;
  faultRate: number;
  requestRate: number;
  advanceRate: number;
  faults: readonly Fault["kind"][];
}

export const FAULTS: readonly Fault["kind"][] = [
  ...(["crash", "freeze", "step clock", "disconnect", "stall", "freeze database"] as const),
  ...(["lose bell", "double bell", "lose note"] as const),
];

/** By then every task has fired for the last time. */
const STORM_MS = 25_000;

function drawStorm(random: Random): Storm {
  return {
    moves: random.pick([100, 200, 400, 800]),
    faultRate: random.pick([0, 0.01, 0.03, 0.1]),
    requestRate: random.pick([0, 0.01, 0.04]),
    advanceRate: random.pick([0, 0.02, 0.1]),
    faults: FAULTS.filter(() => random.next() < 0.5),
  };
}

export interface Sail {
  world: World;
  judge: Judge;
}

export function embark(setup: Setup, hasBug: HasBug): Sail {
  const world = createWorld(hasBug);
  const judge = createJudge(world, setup.leaseMs);
  world.listener = judge;
  setUp(world, setup);
  return { world, judge };
}

export function interleave(seed: number, hasBug: HasBug): Interleaving {
  const random = createRandom(seed);
  const setup = drawSetup(random);
  const storm = drawStorm(random);
  const calmSeed = random.whole(0, 2 ** 32 - 1);
  const { world, judge } = embark(setup, hasBug);
  const moves: Move[] = [];
  for (let count = 0; count < storm.moves && !judge.violation() && world.nowMs < STORM_MS; count += 1) {
    const move = drawMove(world, setup, storm, random, world.lastMoved);
    if (play(world, move)) moves.push(move);
  }
  const calmMoves = calm(world, judge, createRandom(calmSeed));
  const violation = judge.violation();
  return { seed, setup, storm: moves, calmSeed, moveCount: moves.length + calmMoves, violation };
}

export interface Replay {
  /** Those of the moves that could be made. */
  made: { atMs: number; move: Move }[];
  violation: Violation | undefined;
  /** When it was found. */
  atMs: number;
}

/** The same again, or with other moves: what cannot be done as things stand is left out. */
export function replay({ setup, calmSeed }: Interleaving, moves: readonly Move[], hasBug: HasBug): Replay {
  const { world, judge } = embark(setup, hasBug);
  const made: Replay["made"] = [];
  for (const move of moves) {
    if (judge.violation()) break;
    const atMs = world.nowMs;
    if (play(world, move)) made.push({ atMs, move });
  }
  calm(world, judge, createRandom(calmSeed));
  return { made, violation: judge.violation(), atMs: world.nowMs };
}

function drawMove(world: World, setup: Setup, storm: Storm, random: Random, last: Actor | undefined): Move {
  if (storm.faults.length > 0 && random.next() < storm.faultRate) {
    const fault = drawFault(world, random.pick(storm.faults), random, last);
    if (fault) return fault;
  }
  if (random.next() < storm.requestRate)
    return {
      ...{ kind: "request", of: random.pick(REQUESTS), taskId: random.pick(setup.tasks).id },
      choice: random.whole(0, 5),
    };
  const down = [...world.processes.values()].filter(({ isUp }) => !isUp);
  if (down.length > 0 && random.next() < 0.05) return { kind: "start", process: random.pick(down).name };
  if (random.next() < storm.advanceRate) return { kind: "advance" };
  return drawStep(world, random) ?? { kind: "advance" };
}

/** Somebody goes on, or hears; undefined: nobody can. */
function drawStep(world: World, random: Random): Move | undefined {
  const actors = world.actors.filter(world.canMove);
  const bells = listTravelling(world);
  const hearers = bells.length > 0 ? [...world.processes.values()].filter(canHear) : [];
  const notes = [...world.notes.keys()];
  const bellCount = hearers.length > 0 ? bells.length : 0;
  const count = actors.length + bellCount + notes.length;
  if (count === 0) return undefined;
  const drawn = random.whole(0, count - 1);
  if (drawn < actors.length) return { kind: "go", actor: actors[drawn]!.name };
  if (drawn < actors.length + bellCount)
    return { kind: "bell", bell: bells[drawn - actors.length]!.id, process: random.pick(hearers).name };
  return { kind: "note", note: notes[drawn - actors.length - bellCount]! };
}

/** @param last who moved last */
function drawFault(
  world: World,
  kind: Fault["kind"],
  random: Random,
  last: Actor | undefined,
): Fault | undefined {
  const processes = [...world.processes.values()].filter(({ isUp }) => isUp);
  const one = <Item>(items: readonly Item[]) => (items.length > 0 ? random.pick(items) : undefined);
  // Where something has just happened a fault does most harm.
  const struck = random.next() < 0.5 ? last : undefined;
  const process = struck?.process.isUp ? struck.process.name : one(processes)?.name;
  switch (kind) {
    case "crash":
      return process === undefined ? undefined : { kind, process };
    case "freeze":
      return process === undefined
        ? undefined
        : { kind, process, forMs: random.pick([500, 3_000, 7_000, 14_000]) };
    case "step clock": {
      const scheduler = one(processes.filter(({ role }) => role === "scheduler"));
      return scheduler && { kind, process: scheduler.name, byMs: random.pick([-3_000, -200, 0, 200, 3_000]) };
    }
    case "disconnect":
    case "stall": {
      const actor = struck && isConnected(struck) ? struck : one(world.actors.filter(isConnected));
      if (!actor) return undefined;
      if (kind === "disconnect") return { kind, actor: actor.name };
      return { kind, actor: actor.name, forMs: random.pick([100, 700, 2_500, 5_500, 7_000, 14_000]) };
    }
    case "freeze database":
      return { kind, forMs: random.pick([500, 3_000, 7_000, 20_000]) };
    case "lose bell":
    case "double bell": {
      const bell = one(listTravelling(world));
      return bell && { kind, bell: bell.id };
    }
    case "lose note": {
      const note = one([...world.notes.keys()]);
      return note === undefined ? undefined : { kind, note };
    }
  }
}

/** What was stopped is started, what stands still wakes by itself; then all goes on until nothing is left to be done. */
const CALM_MS = 300_000;
const CALM_MOVES = 100_000;

function calm(world: World, judge: Judge, random: Random): number {
  for (const { name, isUp } of world.processes.values())
    if (!isUp) play(world, { kind: "start", process: name });
  world.isCalm = true;
  const untilMs = world.nowMs + CALM_MS;
  let count = 0;
  for (; count < CALM_MOVES && world.nowMs < untilMs && !judge.violation(); count += 1) {
    const step = drawStep(world, random);
    if (!step && isQuiet(world)) break;
    if (!play(world, step ?? { kind: "advance" })) break;
  }
  if (!judge.violation()) judge.quiet();
  return count;
}

function isQuiet(world: World): boolean {
  for (const { state } of world.database.read("runs").values()) if (state !== "dead") return false;
  for (const { state, nextRunAtMs } of world.database.read("tasks").values())
    if (state === "active" && nextRunAtMs !== null) return false;
  return true;
}
