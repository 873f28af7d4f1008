/** One timer that only ever moves forward: a caller that wants it later than it is set gets it sooner. */
import type { Clock } from "../core/clock.ts";

export interface Alarm {
  /** Rings in `waitMs`, or sooner where it is set for that. */
  setBy(waitMs: number): void;
}

/** `ended`: it rings no more. */
export function createAlarm(clock: Clock, ended: AbortSignal, ring: () => void): Alarm {
  let set: { ringsAtMs: number; moved: AbortController } | undefined;
  return {
    setBy(waitMs) {
      const ringsAtMs = clock.now().getTime() + waitMs;
      if (set && set.ringsAtMs <= ringsAtMs) return;
      set?.moved.abort();
      const mine = { ringsAtMs, moved: new AbortController() };
      set = mine;
      void clock.sleep(waitMs, AbortSignal.any([mine.moved.signal, ended])).then(() => {
        if (set !== mine) return;
        set = undefined;
        if (!ended.aborted) ring();
      });
    },
  };
}
