/**
 * Every order of the first moves of a small configuration, with one fault at most. What follows the last of them goes on as in any interleaving, and is judged when it is quiet.
 *
 * Scripts cannot be copied, so a branch is played again from the beginning. Two states are the same where the database,
 * what travels, and all that each process has heard so far are the same: what can happen from there is the same then.
 */
import { STAGE_AHEAD_MS } from "../../../core/domain/staging.ts";
import { createRandom } from "../../support/random.ts";
import type { Violation } from "../invariants/invariant.ts";
import type { HasBug } from "../planted-bugs.ts";
import { LEASE_MS, type Setup } from "../setup.ts";
import { type Fault, isConnected, listTravelling, type Move, play } from "../simulation/moves.ts";
import type { World } from "../simulation/world.ts";
import { calm, embark, type Interleaving, type Sail } from "./interleave.ts";
import { createHistory, type History } from "./state-key.ts";
import { listSteps } from "./steps.ts";

const INSTANT_MS = 1_500;

/** Where a search begins. */
export interface SmallConfiguration {
  name: string;
  setup: Setup;
  isReached(world: World): boolean;
}

const comesIntoSight = (world: World) =>
  world.nowMs >= INSTANT_MS - STAGE_AHEAD_MS && listSteps(world).length > 0;
const isRung = (world: World) => world.bells.size > 0;

/** Each is searched by itself. */
export const SMALL_CONFIGURATIONS: readonly SmallConfiguration[] = [
  {
    name: "one scheduler, two workers, from staging on",
    ...{ setup: smallSetup(1, 2), isReached: comesIntoSight },
  },
  {
    name: "two schedulers, one worker, from staging on",
    ...{ setup: smallSetup(2, 1), isReached: comesIntoSight },
  },
  { name: "one scheduler, two workers, from the bell on", setup: smallSetup(1, 2), isReached: isRung },
];

function smallSetup(schedulers: number, workers: number): Setup {
  return {
    ...{ schedulers, workers, slots: 1, leaseMs: LEASE_MS, limit: 1 },
    attempts: { durationsMs: [20], failRate: 0 },
    tasks: [
      {
        id: "a",
        schedule: { kind: "every", everyMs: INSTANT_MS, endAt: new Date(INSTANT_MS).toISOString() },
        ...{ overlap: "allow", catchUp: null, maxAttempts: 2, limitKeys: [] },
      },
    ],
  };
}

export interface Exhausted {
  /** Different ones. */
  states: number;
  moves: number;
  /** The search came to the end of its depth everywhere. */
  isWhole: boolean;
  found: Interleaving | undefined;
}

export interface ExhaustOptions {
  configuration: SmallConfiguration;
  /** Of moves. */
  depth: number;
  hasBug: HasBug;
  /** It stops after so many states. Default: none. */
  maxStates?: number;
  onProgress?(so: { states: number; moves: number }): void;
}

const CALM_SEED = 1;
const PROGRESS_EVERY = 5_000;

interface Branch extends Sail {
  history: History;
  hadFault: boolean;
}

/** How a state was come to first: by its last move, and how the one before it was. */
interface Path {
  move: Move;
  before: Path | null;
}

function listPath(path: Path | null): Move[] {
  const moves: Move[] = [];
  for (let part = path; part; part = part.before) moves.push(part.move);
  return moves.reverse();
}

/** Level by level: each state is come to by the fewest moves, and so is the first violation. */
export function exhaust(options: ExhaustOptions): Exhausted {
  const { configuration, depth, hasBug, maxStates = Number.POSITIVE_INFINITY, onProgress } = options;
  const { setup } = configuration;
  const prefix = findPrefix(configuration, hasBug);
  const seen = new Set<string>();
  let moves = 0;

  function sail(path: Path | null): Branch {
    const { world, judge } = embark(setup, hasBug);
    const branch = { world, judge, history: createHistory(world), hadFault: false };
    for (const move of [...prefix, ...listPath(path)]) {
      branch.history.record(move);
      branch.hadFault ||= isFault(move);
      play(world, move);
      moves += 1;
    }
    return branch;
  }

  function tell(path: Path, violation: Violation): Interleaving {
    const storm = [...prefix, ...listPath(path)];
    return { seed: CALM_SEED, setup, storm, calmSeed: CALM_SEED, moveCount: storm.length, violation };
  }

  /** Undefined: this state is known. */
  function visit(path: Path, isLast: boolean): Violation | "holds" | undefined {
    const { world, judge, history } = sail(path);
    const key = history.tellState();
    if (seen.has(key)) return undefined;
    seen.add(key);
    if (seen.size % PROGRESS_EVERY === 0) onProgress?.({ states: seen.size, moves });
    if (isLast) moves += calm(world, judge, createRandom(CALM_SEED));
    return judge.violation() ?? "holds";
  }

  let level: (Path | null)[] = [null];
  for (let made = 1; made <= depth; made += 1) {
    const next: Path[] = [];
    for (const before of level)
      for (const move of listMoves(sail(before))) {
        if (seen.size >= maxStates) return { states: seen.size, moves, isWhole: false, found: undefined };
        const path = { move, before };
        const verdict = visit(path, made === depth);
        if (verdict === "holds") next.push(path);
        else if (verdict) return { states: seen.size, moves, isWhole: false, found: tell(path, verdict) };
      }
    level = next;
  }
  return { states: seen.size, moves, isWhole: true, found: undefined };
}

/** The moves to where the search begins. */
function findPrefix({ setup, isReached }: SmallConfiguration, hasBug: HasBug): Move[] {
  const { world } = embark(setup, hasBug);
  const moves: Move[] = [];
  while (!isReached(world)) {
    const [step] = listSteps(world);
    const move: Move = step && step.kind !== "bell" ? step.move : { kind: "advance" };
    moves.push(move);
    play(world, move);
  }
  return moves;
}

const FAULTS: ReadonlySet<string> = new Set<Fault["kind"]>(["crash", "disconnect", "lose bell"]);
const isFault = ({ kind }: Move) => FAULTS.has(kind);

/** All that can come next. Time passes when nobody can go on; what was stopped is started once the depth is reached. */
function listMoves({ world, hadFault }: Branch): Move[] {
  const moves: Move[] = [];
  for (const step of listSteps(world))
    if (step.kind === "bell")
      moves.push(...step.hearers.map(({ name }): Move => ({ kind: "bell", bell: step.name, process: name })));
    else moves.push(step.move);
  if (moves.length === 0) moves.push({ kind: "advance" });
  if (hadFault) return moves;
  for (const { name, role, isUp } of world.processes.values())
    if (isUp && role !== "api") moves.push({ kind: "crash", process: name });
  for (const actor of world.actors)
    if (isConnected(actor)) moves.push({ kind: "disconnect", actor: actor.name });
  for (const { id } of listTravelling(world)) moves.push({ kind: "lose bell", bell: id });
  return moves;
}
