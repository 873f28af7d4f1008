/**
 * Moves the clock for tests from one instant at which tasks fire to the next, so that none is missed on the way.
 * Between two instants a run gets as much true time to end as the clock has between them, at most 30 s: a quick run
 * does not overlap with the next one only because no time passes here.
 */
import type { Clock } from "../core/clock.ts";
import type { VirtualTime } from "../core/schedule-time.ts";
import type { QueryScope } from "../core/store/database.ts";
import { saveVirtualClock, wouldOverlap } from "../core/store/virtual-clock.ts";

/** The longest that the clock stands at an instant for runs to end. */
export const MAX_HOLD_MS = 30_000;
/** What is locked by others, or has not ended, is looked at again. */
const LOOK_MS = 20;

export type ClockMove =
  | { kind: "still" }
  /** All that fires up to the target, which is reached, is staged. */
  | { kind: "reached" }
  /** Something that is due could not be staged yet. */
  | { kind: "behind" }
  /** With `holdMs`: not before runs that it would overlap with have ended, or so much time has passed. */
  | { kind: "move"; at: Date; holdMs: number };

/** Pure. `next`: when a task fires next, after all that could be staged. */
export function decideMove(now: Date, target: Date | null, next: Date | null): ClockMove {
  if (next !== null && next <= now) return { kind: "behind" };
  if (target === null) return { kind: "still" };
  if (now >= target) return { kind: "reached" };
  if (next === null || next > target) return { kind: "move", at: target, holdMs: 0 };
  return { kind: "move", at: next, holdMs: Math.min(next.getTime() - now.getTime(), MAX_HOLD_MS) };
}

export interface ClockMover {
  /**
   * After a pass that left nothing: how long until the next is of use. 0: the clock has moved on.
   * @param target of before the pass: what came to be due before an advance was asked for is staged by one that began later
   */
  moveOn(target: Date | null, next: Date | null): Promise<number>;
}

export function createClockMover(scope: QueryScope, clock: Clock, time: VirtualTime): ClockMover {
  let stoodSinceMs = clock.steadyMs();
  return {
    async moveOn(target, next) {
      if (target !== time.target) return 0;
      const move = decideMove(time.now(), target, next);
      if (move.kind === "behind") return LOOK_MS;
      if (move.kind === "reached") time.settle();
      if (move.kind !== "move") return Number.POSITIVE_INFINITY;
      const isHeld = clock.steadyMs() - stoodSinceMs < move.holdMs && (await wouldOverlap(scope, move.at));
      if (isHeld) return LOOK_MS;
      await saveVirtualClock(scope, move.at);
      time.moveTo(move.at);
      stoodSinceMs = clock.steadyMs();
      return 0;
    },
  };
}
