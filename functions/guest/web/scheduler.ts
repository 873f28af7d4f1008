/** `scheduler.wait(ms, { signal })`, as other platforms have it. */
import { NativePromise, toNumber } from "../run/primordials.ts";
import { addTimer, clearTimer } from "../run/timers.ts";
import { defineInterface, defineReplaceable, INTERNAL, refuseConstruction } from "./webidl.ts";

const MAX_WAIT_MS = 2_147_483_647;

class GuestScheduler {
  constructor(mark?: unknown) {
    refuseConstruction(mark);
  }

  /** Resolves when so many milliseconds have passed; rejects with the signal's reason when that aborts. */
  wait(delayMs: unknown, options: { signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options;
    return new NativePromise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = () => {
        clearTimer(timer);
        reject(signal!.reason);
      };
      const waitMs = toNumber(delayMs);
      const timer = addTimer(
        () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
        waitMs >= 1 && waitMs <= MAX_WAIT_MS ? waitMs : 1,
        false,
      );
      signal?.addEventListener("abort", abort, { once: true });
    });
  }
}

export function installScheduler(): void {
  defineInterface("Scheduler", GuestScheduler, 0);
  const scheduler = new GuestScheduler(INTERNAL);
  defineReplaceable("scheduler", () => scheduler);
}
