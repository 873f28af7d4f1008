/**
 * One machine for everything: processes with their actors, the database, what travels between them, and the clock. It moves
 * when it is told to, one move at a time (moves.ts), so that whoever tells it decides what happens in which order.
 */
import type { Clock } from "../../../core/clock.ts";
import type { ClaimedRun } from "../database/claim.ts";
import { type Change, createDatabase, type Database } from "../database/database.ts";
import type { HasBug } from "../planted-bugs.ts";
import { type Actor, type Actors, createActors } from "./actors.ts";
import { createMessages, type Messages } from "./messages.ts";
import { createProcesses, type Process, type Processes } from "./processes.ts";
import { createTime, type Time } from "./time.ts";

/** An attempt under way. */
export interface Attempt {
  runId: string;
  claimNo: number;
  process: Process;
  incarnation: number;
}

/** Whoever judges what happens. */
export interface Listener {
  committed(changes: Change[], by: Actor): void;
  began(attempt: Attempt, claimed: ClaimedRun): void;
  ended(attempt: Attempt): void;
  advanced(): void;
}

interface State {
  readonly database: Database;
  readonly hasBug: HasBug;
  /** Of rows, runs, messages: another each time. */
  drawNumber(): number;
  nowMs: number;
  lastMoved: Actor | undefined;
  /** The run whose row was written last. */
  lastWrittenRun: string | undefined;
  /** Of all workers. */
  slotCount: number;
  /** No further fault comes. */
  isCalm: boolean;
  databaseFrozenUntilMs: number | null;
  /** The last instant at which nobody reached the database. */
  databaseHinderedAtMs: number;
  listener: Listener;
  clockOf(process: Process): Clock;
}

export type World = State & Actors & Processes & Messages & Time;

/** Who could not move for longer than this was slow. */
export const SLOW_MS = 500;

export function createWorld(hasBug: HasBug): World {
  let drawn = 0;
  const noTimers = () => {
    throw new Error("Actors of the model rest instead.");
  };
  const state: State = {
    database: createDatabase(),
    hasBug,
    drawNumber() {
      drawn += 1;
      return drawn;
    },
    nowMs: 0,
    lastMoved: undefined,
    lastWrittenRun: undefined,
    slotCount: 0,
    isCalm: false,
    databaseFrozenUntilMs: null,
    databaseHinderedAtMs: 0,
    listener: { committed() {}, began() {}, ended() {}, advanced() {} },
    clockOf: (process) => ({
      now: () => new Date(world.nowMs + process.clockOffsetMs),
      steadyMs: () => world.nowMs,
      sleep: noTimers,
      after: noTimers,
    }),
  };
  const world = state as World;
  return Object.assign(
    world,
    createActors(world),
    createProcesses(world),
    createMessages(world),
    createTime(world),
  );
}
