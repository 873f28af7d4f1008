/**
 * The rest of a loop between two looks at the world. States: looking ⇄ resting → stopped. What wakes the loop while it
 * still looks cuts its next rest short: it may have come too late to be seen.
 */
import type { Clock } from "./clock.ts";

export interface LoopRest {
  /** Aborts when the loop is to end. */
  stopped: AbortSignal;
  /** The loop looks now: it sees all that woke it before. Whether anything did. */
  look(): boolean;
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
      if (!woken.signal.aborted) return false;
      woken = new AbortController();
      return true;
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

export interface Loop {
  wake(): void;
  /** Resolves when its last look is over. */
  stop(): Promise<void>;
}

/**
 * Looks, rests for as many milliseconds as `look` answers, or until it is woken, and looks again; after a look that failed
 * it rests for `retryMs`. `quietMs`: for so long after each look nothing but a stop is heard.
 */
export function startLoop(
  clock: Clock,
  look: (stopped: AbortSignal, isWoken: boolean) => Promise<number>,
  on: { retryMs: number; failed(error: unknown): void; quietMs?(): number },
): Loop {
  const loop = createLoopRest(clock);

  async function run(): Promise<void> {
    while (!loop.stopped.aborted) {
      const isWoken = loop.look();
      let restMs = on.retryMs;
      try {
        restMs = await look(loop.stopped, isWoken);
      } catch (error) {
        on.failed(error);
      }
      const quietMs = Math.min(on.quietMs?.() ?? 0, restMs);
      if (quietMs > 0) await clock.sleep(quietMs, loop.stopped);
      await loop.rest(restMs - quietMs);
    }
  }

  const running = run();
  return {
    wake: loop.wake,
    async stop() {
      loop.stop();
      await running;
    },
  };
}
