/** Time as a dependency: decisions take `now`, loops take a clock, tests stub it. */
export interface Clock {
  now(): Date;
  /** Milliseconds since some instant: for how long something took. It never goes back and makes no leap, as `now` may. */
  steadyMs(): number;
  /** Resolves after `ms`, or at once when the signal aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `act` after `ms`, unless what this answers is called before. Costs less than a sleep that is cut short. */
  after(ms: number, act: () => void): () => void;
}

/** setTimeout fires at once for anything longer than this. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => new Date(),
  steadyMs: () => performance.now(),
  sleep(ms, signal) {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, toTimerMs(ms));
      signal?.addEventListener("abort", finish, { once: true });
    });
  },
  after(ms, act) {
    const timer = setTimeout(act, toTimerMs(ms));
    return () => clearTimeout(timer);
  },
};

/** Never goes back, and makes no leap: for what only asks how long ago something was. Its dates drift from the true ones. */
export const steadyClock: Clock = {
  ...systemClock,
  now: () => new Date(performance.timeOrigin + performance.now()),
};

function toTimerMs(ms: number): number {
  return Math.min(Math.max(ms, 0), MAX_TIMER_MS);
}
