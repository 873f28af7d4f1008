/**
 * Actors: what goes on in a process, one statement at a time.
 *
 * States: asked (its statement is on its way, or waits for a lock) → answered (it has not heard yet) → asked, or resting
 * (until an instant, or a signal) → answered … → over.
 */
import { LockWait, type Transaction, type View } from "../database/database.ts";
import type { Process } from "./processes.ts";
import { ConnectionLost, type Request, type Script } from "./script.ts";
import type { World } from "./world.ts";

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
  /** The lock that its statement waits for. */
  waitsFor: LockWait | null;
  tx: Transaction | null;
  /** That it goes on, as it is drawn: of all that can happen the most frequent. */
  step: { kind: "actor"; name: string; move: { kind: "go"; actor: string } };
}

export interface Actors {
  /** Those that are not over, in the order in which they began. */
  readonly actors: readonly Actor[];
  spawn(process: Process, name: string, script: Script): Actor;
  canMove(actor: Actor): boolean;
  /** The statement is done, or the actor hears its answer and goes on to what it waits for next. */
  move(actor: Actor): void;
  /** A statement of its own, and its answer, with nothing between; false: it would have to wait for a lock. */
  doAtOnce(actor: Actor, run: (view: View) => void): boolean;
  /** It rests no longer. */
  wake(actor: Actor): void;
  /** The actor's statement, or the answer to it, is lost. */
  disconnect(actor: Actor): void;
  /** Its process is gone. */
  end(actor: Actor): void;
}

export function createActors(world: World): Actors {
  const { database } = world;
  const actors: Actor[] = [];

  function resume(actor: Actor): void {
    const { answer, isLost } = actor;
    actor.answer = undefined;
    actor.isLost = false;
    try {
      const { value, done } = isLost ? actor.script.throw(new ConnectionLost()) : actor.script.next(answer);
      if (done) leave(actor);
      else if (actor.state !== "over") wait(actor, value);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      leave(actor);
    }
  }

  function wait(actor: Actor, request: Request): void {
    actor.stalledUntilMs = 0;
    actor.request = request;
    actor.sinceMs = world.nowMs;
    if (request.kind === "step") actor.state = "answered";
    else if (request.kind !== "rest") {
      actor.state = "asked";
      if (request.tx) actor.tx = request.tx;
    } else {
      const isSignalled = request.signal !== null && actor.process.signals.delete(request.signal);
      actor.state = isSignalled ? "answered" : "resting";
    }
  }

  function leave(actor: Actor): void {
    if (actor.state === "over") return;
    actor.state = "over";
    actor.process.actors.delete(actor);
    actors.splice(actors.indexOf(actor), 1);
  }

  function answer(actor: Actor, value: unknown): void {
    actor.answer = value;
    actor.state = "answered";
    actor.sinceMs = world.nowMs;
  }

  function execute(actor: Actor): void {
    const request = actor.request!;
    if (request.kind !== "statement" && request.kind !== "commit") return;
    actor.waitsFor = null;
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
        if (!(error instanceof LockWait)) throw error;
        actor.waitsFor = error;
        return;
      }
    }
    if (request.kind === "commit" || request.tx === null) commit(tx, actor);
    answer(actor, value);
  }

  function commit(tx: Transaction, actor: Actor): void {
    const changes = database.commit(tx);
    actor.tx = null;
    if (changes.length === 0) return;
    for (const { table, key } of changes) if (table === "runs") world.lastWrittenRun = key;
    world.listener.committed(changes, actor);
  }

  function rollBack(actor: Actor): void {
    if (actor.tx?.state === "open") database.rollBack(actor.tx);
    actor.tx = null;
  }

  return {
    actors,
    spawn(process, name, script) {
      const fullName = `${process.name}/${name}`;
      const actor: Actor = {
        ...{ name: fullName, process, script, state: "answered", request: null },
        ...{ answer: undefined, isLost: false, sinceMs: world.nowMs, stalledUntilMs: 0 },
        ...{ waitsFor: null, tx: null },
        step: { kind: "actor", name: fullName, move: { kind: "go", actor: fullName } },
      };
      process.actors.add(actor);
      actors.push(actor);
      return actor;
    },
    canMove({ process, state, stalledUntilMs, waitsFor }) {
      if (stalledUntilMs > world.nowMs) return false;
      if (state === "answered") return process.frozenUntilMs === null;
      if (state !== "asked" || world.databaseFrozenUntilMs !== null) return false;
      return waitsFor === null || !database.isLocked(waitsFor);
    },
    move(actor) {
      world.lastMoved = actor;
      if (actor.state === "answered") resume(actor);
      else execute(actor);
      if (actor.process.isLeaving) world.crash(actor.process);
    },
    doAtOnce(actor, run) {
      const tx = database.begin(actor.name);
      try {
        database.execute(tx, world.nowMs, run);
      } catch (error) {
        database.rollBack(tx);
        if (!(error instanceof LockWait)) throw error;
        return false;
      }
      commit(tx, actor);
      return true;
    },
    wake: (actor) => answer(actor, undefined),
    disconnect(actor) {
      rollBack(actor);
      actor.isLost = true;
      actor.process.hinderedAtMs = world.nowMs;
      answer(actor, undefined);
    },
    end(actor) {
      rollBack(actor);
      leave(actor);
    },
  };
}
