/**
 * One machine for everything: processes with their actors, the database, what travels between them, and the clock. It moves
 * when it is told to, one move at a time (moves.ts), so that whoever tells it decides what happens in which order.
 *
 * States of an actor: asked (its statement is on its way, or waits for a lock) → answered (it has not heard yet) → asked, or
 * resting (until an instant, or a signal) → answered … → over.
 */
import type { Clock } from "../../../core/clock.ts";
import type { ClaimedRun } from "../database/claim.ts";
import {
  type Change,
  createDatabase,
  type Database,
  LockWait,
  type Transaction,
} from "../database/database.ts";
import type { HasBug } from "../planted-bugs.ts";
import { ConnectionLost, type Request, type Script } from "./script.ts";

export interface Actor {
  name: string;
  process: Process;
  state: "asked" | "answered" | "resting" | "over";
  script: Script;
  request: Request | null;
  /** For the script: what was answered, or that the connection is lost. */
  answer: unknown;
  isLost: boolean;
  /** Since when it could have moved. */
  sinceMs: number;
  /** Its connection is slow: nothing passes until then. */
  stalledUntilMs: number;
  tx: Transaction | null;
}

export type Role = "api" | "scheduler" | "worker";

export interface Process {
  name: string;
  role: Role;
  /** Counts its starts; 0: it was never up. */
  incarnation: number;
  isUp: boolean;
  /** It stands still until then (SIGSTOP). */
  frozenUntilMs: number | null;
  clockOffsetMs: number;
  /** The most that its clock was ever ahead. */
  aheadMs: number;
  /** The last instant at which it could not do what it wanted: it was frozen, cut off, or slow. */
  hinderedAtMs: number;
  signals: Set<string>;
  actors: Set<Actor>;
  hear?: (bell: Bell) => void;
  onNote?: (note: Note) => void;
}

/** "Run R is ready." On its way, heard by a worker, or committed: then nobody gets it again. */
export interface Bell {
  id: string;
  runId: string;
  availableAtMs: number;
  heardBy: string | null;
  isCommitted: boolean;
  wasDealtWith: boolean;
  wasLost: boolean;
}

/** NOTIFY. */
export interface Note {
  id: string;
  channel: "bellhop_schedule" | "bellhop_cancel";
  runIds: readonly string[];
}

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

export interface World {
  readonly database: Database;
  readonly hasBug: HasBug;
  readonly processes: Map<string, Process>;
  readonly bells: Map<string, Bell>;
  readonly notes: Map<string, Note>;
  /** Of rows, runs, messages: another each time. */
  drawNumber(): number;
  nowMs: number;
  lastMoved: Actor | undefined;
  /** Of all workers. */
  slotCount: number;
  /** No further fault comes. */
  isCalm: boolean;
  databaseFrozenUntilMs: number | null;
  /** The last instant at which nobody reached the database. */
  databaseHinderedAtMs: number;
  listener: Listener;
  addProcess(name: string, role: Role, start: (process: Process) => void): void;
  start(process: Process): void;
  crash(process: Process): void;
  spawn(process: Process, name: string, script: Script): Actor;
  signal(process: Process, signal: string): void;
  canMove(actor: Actor): boolean;
  /** The statement is done, or the actor hears its answer and goes on to what it waits for next. */
  move(actor: Actor): void;
  /** The actor's statement, or the answer to it, is lost. */
  disconnect(actor: Actor): void;
  /** The next instant at which something can go on by itself; null: there is none. */
  nextInstantMs(): number | null;
  advanceTo(ms: number): void;
  ring(bells: readonly { runId: string; availableAtMs: number }[]): void;
  notify(channel: Note["channel"], runIds?: readonly string[]): void;
  clockOf(process: Process): Clock;
}

/** A transaction that idles for longer is cut off. */
const IDLE_MS = 5_000;
/** Who could not move for longer than this was slow. */
export const SLOW_MS = 500;

export function createWorld(hasBug: HasBug): World {
  const database = createDatabase();
  const processes = new Map<string, Process>();
  const bells = new Map<string, Bell>();
  const notes = new Map<string, Note>();
  const starts = new Map<Process, (process: Process) => void>();
  let drawn = 0;
  const drawNumber = () => {
    drawn += 1;
    return drawn;
  };

  function resume(actor: Actor): void {
    const { answer, isLost } = actor;
    Object.assign(actor, { answer: undefined, isLost: false });
    try {
      const { value, done } = isLost ? actor.script.throw(new ConnectionLost()) : actor.script.next(answer);
      if (done) finish(actor);
      else wait(actor, value);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      finish(actor);
    }
  }

  function wait(actor: Actor, request: Request): void {
    actor.stalledUntilMs = 0;
    actor.request = request;
    actor.sinceMs = world.nowMs;
    if (request.kind === "step") actor.state = "answered";
    else if (request.kind !== "rest") actor.state = "asked";
    else if (request.signal !== null && actor.process.signals.delete(request.signal))
      actor.state = "answered";
    else actor.state = "resting";
    if ((request.kind === "statement" || request.kind === "commit") && request.tx) actor.tx = request.tx;
  }

  function finish(actor: Actor): void {
    actor.state = "over";
    actor.process.actors.delete(actor);
  }

  function answer(actor: Actor, value: unknown): void {
    actor.answer = value;
    actor.state = "answered";
    actor.sinceMs = world.nowMs;
  }

  function execute(actor: Actor): void {
    const request = actor.request!;
    if (request.kind !== "statement" && request.kind !== "commit") return;
    const tx = request.tx ?? database.begin(request.name);
    if (tx.state !== "open") {
      actor.isLost = true;
      answer(actor, undefined);
      return;
    }
    let value: unknown;
    if (request.kind === "statement") {
      try {
        value = database.execute(tx, world.nowMs, request.run);
      } catch (error) {
        if (request.tx === null) database.rollBack(tx);
        if (error instanceof LockWait) {
          actor.request = { ...request, waitsFor: error.lock } as Request;
          return;
        }
        throw error;
      }
    }
    if (request.kind === "commit" || request.tx === null) commit(tx, actor);
    answer(actor, value);
  }

  function commit(tx: Transaction, actor: Actor): void {
    const changes = database.commit(tx);
    actor.tx = null;
    if (changes.length > 0) world.listener.committed(changes, actor);
  }

  function rollBack(actor: Actor): void {
    if (actor.tx?.state === "open") database.rollBack(actor.tx);
    actor.tx = null;
  }

  function waitsForLock(actor: Actor): boolean {
    const { waitsFor } = actor.request as { waitsFor?: string };
    return waitsFor !== undefined && database.isLocked(waitsFor);
  }

  /** By its own fault, or that of its connection. */
  const isSlow = (actor: Actor) =>
    world.nowMs - actor.sinceMs > SLOW_MS && (actor.stalledUntilMs > 0 || world.canMove(actor));

  /** What it kept waiting was not slow. */
  function thawDatabase(): void {
    world.databaseFrozenUntilMs = null;
    for (const tx of database.open()) tx.lastUsedMs = world.nowMs;
    for (const { actors } of processes.values()) for (const actor of actors) actor.sinceMs = world.nowMs;
  }

  const isFrozen = (process: Process) => process.frozenUntilMs !== null;

  const world: World = {
    database,
    hasBug,
    processes,
    bells,
    notes,
    drawNumber,
    nowMs: 0,
    lastMoved: undefined,
    slotCount: 0,
    isCalm: false,
    databaseFrozenUntilMs: null,
    databaseHinderedAtMs: 0,
    listener: { committed() {}, began() {}, ended() {}, advanced() {} },
    addProcess(name, role, start) {
      const process: Process = {
        name,
        role,
        incarnation: 0,
        isUp: false,
        frozenUntilMs: null,
        clockOffsetMs: 0,
        aheadMs: 0,
        hinderedAtMs: 0,
        signals: new Set(),
        actors: new Set(),
      };
      processes.set(name, process);
      starts.set(process, start);
    },
    start(process) {
      process.isUp = true;
      process.incarnation += 1;
      process.hinderedAtMs = world.nowMs;
      starts.get(process)!(process);
    },
    crash(process) {
      for (const actor of process.actors) {
        rollBack(actor);
        actor.state = "over";
      }
      process.actors.clear();
      process.signals.clear();
      Object.assign(process, { isUp: false, frozenUntilMs: null });
      for (const bell of bells.values())
        if (bell.heardBy === process.name && !bell.isCommitted) bell.heardBy = null;
    },
    spawn(process, name, script) {
      const actor: Actor = {
        name: `${process.name}/${name}`,
        process,
        state: "answered",
        script,
        request: null,
        answer: undefined,
        isLost: false,
        sinceMs: world.nowMs,
        stalledUntilMs: 0,
        tx: null,
      };
      process.actors.add(actor);
      return actor;
    },
    signal(process, signal) {
      for (const actor of process.actors) {
        if (actor.state !== "resting" || actor.request?.kind !== "rest") continue;
        if (actor.request.signal !== signal) continue;
        answer(actor, undefined);
        return;
      }
      process.signals.add(signal);
    },
    canMove(actor) {
      if (actor.stalledUntilMs > world.nowMs) return false;
      if (actor.state === "answered") return !isFrozen(actor.process);
      return actor.state === "asked" && world.databaseFrozenUntilMs === null && !waitsForLock(actor);
    },
    move(actor) {
      world.lastMoved = actor;
      if (actor.state === "answered") resume(actor);
      else execute(actor);
    },
    disconnect(actor) {
      rollBack(actor);
      actor.isLost = true;
      actor.process.hinderedAtMs = world.nowMs;
      answer(actor, undefined);
    },
    nextInstantMs() {
      let next = world.databaseFrozenUntilMs ?? Number.POSITIVE_INFINITY;
      for (const process of processes.values()) {
        if (process.frozenUntilMs !== null) {
          next = Math.min(next, process.frozenUntilMs);
          continue;
        }
        for (const { state, request, stalledUntilMs } of process.actors)
          if (stalledUntilMs > world.nowMs) next = Math.min(next, stalledUntilMs);
          else if (state === "resting" && request?.kind === "rest") next = Math.min(next, request.untilMs);
      }
      return next === Number.POSITIVE_INFINITY ? null : Math.max(next, world.nowMs);
    },
    advanceTo(ms) {
      world.nowMs = ms;
      if (world.databaseFrozenUntilMs !== null) world.databaseHinderedAtMs = ms;
      if (world.databaseFrozenUntilMs !== null && world.databaseFrozenUntilMs <= ms) thawDatabase();
      for (const process of processes.values()) {
        if (process.frozenUntilMs !== null) process.hinderedAtMs = ms;
        if (process.frozenUntilMs !== null && process.frozenUntilMs <= ms) process.frozenUntilMs = null;
        for (const actor of process.actors) {
          const { state, request } = actor;
          if (state === "resting" && request?.kind === "rest") {
            if (request.untilMs <= ms && process.frozenUntilMs === null) answer(actor, undefined);
          } else if (isSlow(actor)) process.hinderedAtMs = ms;
        }
      }
      for (const tx of database.open())
        if (tx.locks.size > 0 && ms - tx.lastUsedMs > IDLE_MS && world.databaseFrozenUntilMs === null)
          database.rollBack(tx);
      world.listener.advanced();
    },
    ring(rung) {
      for (const { runId, availableAtMs } of rung) {
        const id = `${runId}!${drawNumber()}`;
        bells.set(id, {
          ...{ id, runId, availableAtMs, heardBy: null },
          ...{ isCommitted: false, wasDealtWith: false, wasLost: false },
        });
      }
    },
    notify(channel, runIds = []) {
      const id = `${channel}!${drawNumber()}`;
      notes.set(id, { id, channel, runIds });
    },
    clockOf(process) {
      const noTimers = () => {
        throw new Error("Actors of the model rest instead.");
      };
      return {
        now: () => new Date(world.nowMs + process.clockOffsetMs),
        steadyMs: () => world.nowMs,
        sleep: noTimers,
        after: noTimers,
      };
    },
  };
  return world;
}
