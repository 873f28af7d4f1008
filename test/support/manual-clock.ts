/** Time that moves only when the test says so. */
import type { Clock } from "../../core/clock.ts";

export interface ManualClock extends Clock {
  /**
   * Lets `ms` pass: wakes the sleepers that fall due, in the order of their instants, and lets each do what it can
   * (also go to sleep again, and be woken within the same span) before the next. `advance(0)` lets things settle.
   */
  advance(ms: number): Promise<void>;
  /** Resolves when at least `count` are asleep, which is when whatever they do before is done. */
  waitForSleepers(count: number): Promise<void>;
  /** How many are asleep. */
  readonly sleepers: number;
  /** Somebody sets `now()`: no time passes. */
  set(now: Date): void;
}

interface Sleeper {
  wakeAtMs: number;
  wake(): void;
}

/** @param start the first `now()`; default the beginning of 2026, UTC */
export function createManualClock(start: Date = new Date(Date.UTC(2026, 0, 1))): ManualClock {
  let nowMs = start.getTime();
  /** What was set besides. */
  let shiftMs = 0;
  const sleepers = new Set<Sleeper>();
  const watchers = new Set<{ count: number; resolve(): void }>();

  const tellWatchers = () => {
    for (const watcher of watchers) {
      if (sleepers.size < watcher.count) continue;
      watchers.delete(watcher);
      watcher.resolve();
    }
  };

  const nextDue = (untilMs: number): Sleeper | undefined => {
    let next: Sleeper | undefined;
    for (const sleeper of sleepers) {
      // Of two with the same instant the one that lay down first wakes first.
      if (sleeper.wakeAtMs <= untilMs && (!next || sleeper.wakeAtMs < next.wakeAtMs)) next = sleeper;
    }
    return next;
  };

  return {
    now: () => new Date(nowMs + shiftMs),
    steadyMs: () => nowMs,
    set(now) {
      shiftMs = now.getTime() - nowMs;
    },
    sleep(ms, signal) {
      if (signal?.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = () => {
          sleepers.delete(sleeper);
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        const sleeper = { wakeAtMs: nowMs + Math.max(ms, 0), wake };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", wake, { once: true });
        tellWatchers();
      });
    },
    after(ms, act) {
      const wake = () => {
        if (sleepers.delete(sleeper)) act();
      };
      const sleeper = { wakeAtMs: nowMs + Math.max(ms, 0), wake };
      sleepers.add(sleeper);
      tellWatchers();
      return () => void sleepers.delete(sleeper);
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      await settle();
      for (let next = nextDue(untilMs); next; next = nextDue(untilMs)) {
        nowMs = Math.max(nowMs, next.wakeAtMs);
        next.wake();
        await settle();
      }
      nowMs = untilMs;
    },
    waitForSleepers(count) {
      if (sleepers.size >= count) return Promise.resolve();
      return new Promise((resolve) => watchers.add({ count, resolve }));
    },
    get sleepers() {
      return sleepers.size;
    },
  };
}

/** Every promise that can go on without the clock has gone on when the immediates run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
