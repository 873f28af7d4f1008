/**
 * The worker's periodic work. A loop: resting → passing → resting …; sooner after a pass that failed. Loops continue
 * until they are stopped, and the current pass is awaited.
 */
import type { Clock } from "../core/clock.ts";

export interface Loop {
  everyMs: number;
  pass(): Promise<void> | void;
}

export interface Loops {
  /** Begins no pass any more; resolves when those under way are over. */
  stop(): Promise<void>;
}

/** After a pass that failed the next one comes this soon: a lease runs on. */
const RETRY_MS = 500;

/** Each begins with a rest. */
export function startLoops(clock: Clock, loops: Loop[], onError: (error: unknown) => void): Loops {
  const stopped = new AbortController();

  async function repeat({ everyMs, pass }: Loop): Promise<void> {
    let waitMs = everyMs;
    while (!stopped.signal.aborted) {
      await clock.sleep(waitMs, stopped.signal);
      if (stopped.signal.aborted) return;
      waitMs = everyMs;
      try {
        await pass();
      } catch (error) {
        waitMs = Math.min(everyMs, RETRY_MS);
        onError(error);
      }
    }
  }

  const running = loops.map(repeat);
  return {
    async stop() {
      stopped.abort();
      await Promise.all(running);
    },
  };
}
