/** One interleaving: a storm of moves drawn at random, then all is healed, goes on, and is judged when it is quiet. */
import { createRandom, type Random } from "../../support/random.ts";
import { createJudge, type Judge } from "../invariants/index.ts";
import type { Violation } from "../invariants/invariant.ts";
import type { HasBug } from "../planted-bugs.ts";
import { drawSetup, type Setup, setUp } from "../setup.ts";
import { type Move, play } from "../simulation/moves.ts";
import { createWorld, type World } from "../simulation/world.ts";
import { listSteps } from "./steps.ts";
import { createStorm, drawStorm, toMove } from "./storm.ts";

export interface Interleaving {
  seed: number;
  setup: Setup;
  /** Of the storm; what follows it is drawn from `calmSeed`. */
  storm: Move[];
  calmSeed: number;
  moveCount: number;
  violation: Violation | undefined;
}

/** By then every task has fired for the last time. */
const STORM_MS = 25_000;

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
  const draw = createStorm(world, setup, storm, random);
  const moves: Move[] = [];
  for (let count = 0; count < storm.moves && !judge.violation() && world.nowMs < STORM_MS; count += 1) {
    const move = draw();
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

/** What was stopped is started, what stands still wakes by itself; then all goes on until nothing is left to be done. */
const CALM_MS = 300_000;
const CALM_MOVES = 100_000;

export function calm(world: World, judge: Judge, random: Random): number {
  world.isCalm = true;
  const untilMs = world.nowMs + CALM_MS;
  let count = 0;
  for (; count < CALM_MOVES && world.nowMs < untilMs && !judge.violation(); count += 1) {
    // Those that drain go later.
    for (const { name, isUp } of world.processes.values())
      if (!isUp) play(world, { kind: "start", process: name });
    const steps = listSteps(world);
    if (steps.length === 0 && isQuiet(world)) break;
    const move: Move = steps.length > 0 ? toMove(random.pick(steps), random) : { kind: "advance" };
    if (!play(world, move)) break;
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
