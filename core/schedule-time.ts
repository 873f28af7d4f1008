/**
 * The time that schedules see: what is due, what `delay` and `every` count from, what has been missed. It is the true one,
 * or, in the clock for tests, one that stands still until it is advanced. Leases, timeouts, the waits before retries and all
 * that is told of runs go by the true one.
 */
import type { Clock } from "./clock.ts";
import { conflict } from "./errors.ts";

export type ScheduleTime = TrueTime | VirtualTime;

interface TrueTime {
  readonly isVirtual: false;
  now(): Date;
}

/** States: still → advancing towards an instant, by way of each at which a task fires → still. It never goes back. */
export interface VirtualTime {
  readonly isVirtual: true;
  now(): Date;
  /** Where it is going; null: it stands still. */
  readonly target: Date | null;
  /**
   * Resolves with the instant that is reached, once all that fires up to it is staged. Before `to` only where the signal
   * aborts: then it stays where it is. 409 while another advance is under way.
   */
  advance(to: Date, signal: AbortSignal): Promise<Date>;
  /** Of the scheduler: it stands at `at` now, which is saved. */
  moveTo(at: Date): void;
  /** Of the scheduler: what fires up to now is staged. */
  settle(): void;
  /** Of the scheduler: called when an advance begins. */
  onAdvance(act: () => void): void;
}

export const trueTime = (clock: Pick<Clock, "now">): ScheduleTime => ({
  isVirtual: false,
  now: () => clock.now(),
});

export function createVirtualTime(standsAt: Date): VirtualTime {
  let now = standsAt;
  let advancing: { to: Date; end(): void } | undefined;
  let act = () => {};
  return {
    isVirtual: true,
    now: () => now,
    get target() {
      return advancing?.to ?? null;
    },
    async advance(to, signal) {
      if (advancing) {
        const until = advancing.to.toISOString();
        throw conflict(`The clock is being advanced to ${until}: wait until it arrives.`, "clock_advancing");
      }
      const ended = Promise.withResolvers<void>();
      advancing = { to, end: ended.resolve };
      signal.addEventListener("abort", ended.resolve as () => void);
      act();
      if (!signal.aborted) await ended.promise;
      signal.removeEventListener("abort", ended.resolve as () => void);
      advancing = undefined;
      return now;
    },
    moveTo(at) {
      now = at;
    },
    settle() {
      if (advancing && now >= advancing.to) advancing.end();
    },
    onAdvance(listener) {
      act = listener;
    },
  };
}
