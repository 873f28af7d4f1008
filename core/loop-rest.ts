/**
 * The rest of a loop between two looks at the world. States: looking ⇄ resting → stopped. What wakes the loop while it
 * still looks cuts its next rest short: it may have come too late to be seen.
 */
import type { Clock } from "./clock.ts";

export interface LoopRest {
  /** Aborts when the loop is to end. */
  stopped: AbortSignal;
  /** The loop looks now: it sees all that woke it before. */
  look(): void;
  /** Resolves after `ms`, or as soon as the loop is woken or stopped. */
  rest(ms: number): Promise<void>;
  wake(): void;
  stop(): void;
}

export function createLoopRest(clock: Clock): LoopRest {
  const stopped = new AbortController();
  let woken = new AbortController();
  return {
    stopped: stopped.signal,
    look() {
      if (woken.signal.aborted) woken = new AbortController();
    },
    async rest(ms) {
      if (ms > 0 && !woken.signal.aborted && !stopped.signal.aborted) await clock.sleep(ms, woken.signal);
    },
    wake: () => woken.abort(),
    stop() {
      stopped.abort();
      woken.abort();
    },
  };
}
