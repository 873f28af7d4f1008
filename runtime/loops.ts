/**
 * The worker's periodic work. A loop: resting → passing → resting …; sooner after a pass that failed. Loops continue
 * until they are stopped, and the current pass is awaited.
 */
import type { Clock } from "../core/clock.ts";
import type { Slots } from "./slots.ts";

export interface Loop {
  everyMs: number;
  pass(): Promise<void> | void;
  /** Default: it begins with a rest. */
  beginsAtOnce?: boolean;
}

export interface Loops {
  /** Begins no pass any more; resolves when those under way are over. */
  stop(): Promise<void>;
}

/** After a pass that failed the next one comes this soon: a lease runs on. */
const RETRY_MS = 500;

/** A loop that goes on only while slots are taken, and as long after as its pass says that it is not done. */
export interface BusyLoop {
  everyMs: number;
  /** Answers whether it is to come again, although no slot may be taken by then. */
  pass(): Promise<boolean> | boolean;
}

/** At rest no timer of it wakes the worker. Whoever takes a slot begins it, with a rest. */
export function startBusyLoop(
  clock: Clock,
  slots: Pick<Slots, "isIdle" | "onTake">,
  { everyMs, pass }: BusyLoop,
  onError: (error: unknown) => void,
): Loops {
  let stopWaiting: (() => void) | undefined;
  let passing = Promise.resolve();
  let wasTaken = false;
  let isStopped = false;

  function passIn(ms: number): void {
    if (isStopped) return;
    stopWaiting ??= clock.after(ms, () => {
      passing = goOn();
    });
  }

  async function goOn(): Promise<void> {
    let isDone = false;
    let waitMs = everyMs;
    wasTaken = false;
    try {
      isDone = !(await pass());
    } catch (error) {
      waitMs = Math.min(everyMs, RETRY_MS);
      onError(error);
    }
    stopWaiting = undefined;
    // A slot that was taken and freed during the pass may not have been seen by it.
    if (!isDone || wasTaken || !slots.isIdle()) passIn(waitMs);
  }

  slots.onTake(() => {
    wasTaken = true;
    passIn(everyMs);
  });
  return {
    async stop() {
      isStopped = true;
      stopWaiting?.();
      await passing;
    },
  };
}

export const joinLoops = (...all: Loops[]): Loops => ({
  stop: async () => void (await Promise.all(all.map((loops) => loops.stop()))),
});

export function startLoops(clock: Clock, loops: Loop[], onError: (error: unknown) => void): Loops {
  const stopped = new AbortController();

  async function repeat({ everyMs, pass, beginsAtOnce = false }: Loop): Promise<void> {
    let waitMs = beginsAtOnce ? 0 : everyMs;
    while (!stopped.signal.aborted) {
      if (waitMs > 0) await clock.sleep(waitMs, stopped.signal);
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
