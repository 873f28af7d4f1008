/** The clock: it goes on when it is told to, to an instant at which something can go on by itself. */
import type { Actor } from "./actors.ts";
import { SLOW_MS, type World } from "./world.ts";

export interface Time {
  /** Until somebody can go on who could not, or a fault is over. False: nothing is left to wait for. */
  advance(): boolean;
}

/** A transaction that idles for longer is cut off. */
const IDLE_MS = 5_000;
/** Where nothing happens: whoever moves the world looks then whether it still should. */
const LONGEST_MS = 10_000;

export function createTime(world: World): Time {
  /** The next instant at which something can go on by itself; null: there is none. */
  function findNextMs(): number | null {
    let next = world.databaseFrozenUntilMs ?? Number.POSITIVE_INFINITY;
    for (const process of world.processes.values())
      if (process.frozenUntilMs !== null && process.frozenUntilMs < next) next = process.frozenUntilMs;
    for (const { process, state, request, stalledUntilMs } of world.actors) {
      if (process.frozenUntilMs !== null) continue;
      if (stalledUntilMs > world.nowMs) next = Math.min(next, stalledUntilMs);
      else if (state === "resting" && request?.kind === "rest") next = Math.min(next, request.untilMs);
    }
    return next === Number.POSITIVE_INFINITY ? null : Math.max(next, world.nowMs);
  }

  /** By its own fault, or that of its connection. */
  const isSlow = (actor: Actor) =>
    world.nowMs - actor.sinceMs > SLOW_MS && (actor.stalledUntilMs > 0 || world.canMove(actor));

  /** What it kept waiting was not slow. */
  function thawDatabase(): void {
    world.databaseFrozenUntilMs = null;
    for (const tx of world.database.open()) tx.lastUsedMs = world.nowMs;
    for (const actor of world.actors) actor.sinceMs = world.nowMs;
  }

  /** Whether it wakes: what is done in no time, and finds nothing to do, rests again. */
  function wakeIfDue(actor: Actor): boolean {
    const { request, process } = actor;
    if (request?.kind !== "rest" || request.untilMs > world.nowMs || process.frozenUntilMs !== null)
      return false;
    const { recurs } = request;
    const isOnTime = request.untilMs === world.nowMs && world.databaseFrozenUntilMs === null;
    if (recurs && isOnTime && recurs.passAtOnce(actor)) {
      request.untilMs += recurs.everyMs;
      return false;
    }
    world.wake(actor);
    return true;
  }

  /** Whether anything can go on that could not. */
  function advanceTo(ms: number): boolean {
    let hasChanged = false;
    world.nowMs = ms;
    if (world.databaseFrozenUntilMs !== null) {
      world.databaseHinderedAtMs = ms;
      if (world.databaseFrozenUntilMs <= ms) {
        thawDatabase();
        hasChanged = true;
      }
    }
    for (const process of world.processes.values()) {
      if (process.frozenUntilMs === null) continue;
      process.hinderedAtMs = ms;
      if (process.frozenUntilMs > ms) continue;
      process.frozenUntilMs = null;
      hasChanged = true;
    }
    for (const actor of world.actors) {
      if (actor.state === "resting") hasChanged = wakeIfDue(actor) || hasChanged;
      else {
        if (isSlow(actor)) actor.process.hinderedAtMs = ms;
        if (actor.stalledUntilMs === ms) hasChanged = true;
      }
    }
    for (const tx of world.database.open())
      if (tx.locks.length > 0 && ms - tx.lastUsedMs > IDLE_MS && world.databaseFrozenUntilMs === null) {
        world.database.rollBack(tx);
        hasChanged = true;
      }
    world.listener.advanced();
    return hasChanged;
  }

  return {
    advance() {
      const untilMs = world.nowMs + LONGEST_MS;
      for (;;) {
        const nextMs = findNextMs();
        if (nextMs === null) return false;
        if (advanceTo(nextMs) || nextMs > untilMs) return true;
      }
    },
  };
}
