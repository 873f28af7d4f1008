/** Calls up runs that wait for a rate at the instant at which the next of them may start. */
import type { RatedKey } from "../core/store/limits/find-grantable.ts";
import { GRANT_BATCH } from "../core/store/limits/grant-permits.ts";

/** No sleep is longer: a line that has begun meanwhile is found by the next look. */
export const RATE_LOOK_MS = 100;
/** Where no queue has a rate. */
export const IDLE_LOOK_MS = 1_000;
/** Starts closer together than this are called up together. */
const LEAST_MS = 10;

export interface RatedKeys {
  /** Null: no queue has a rate. */
  find(): Promise<RatedKey[] | null>;
  /** Calls up whoever may start; how many. */
  call(keys: string[]): Promise<number>;
}

/** When the next start of a key is back, and how long to sleep where those that were called up have not started by then. */
interface NextStart {
  atMs: number;
  againMs: number;
}

/** What it returns is one pass, which says how long to sleep after it. */
export function createRatedCaller(nowMs: () => number): (keys: RatedKeys) => Promise<number> {
  /** Of keys that are not found as long as those that were called up have not started. */
  const nextStarts = new Map<string, NextStart>();

  /** Where they are late, it is looked again in a moment, then less and less often. */
  function msUntilNextStart(): number {
    let ms = Number.POSITIVE_INFINITY;
    for (const [key, { atMs, againMs }] of nextStarts) {
      const isPast = atMs <= nowMs();
      if (isPast && againMs > RATE_LOOK_MS) nextStarts.delete(key);
      else if (isPast) nextStarts.set(key, { atMs: nowMs() + againMs, againMs: 2 * againMs });
      ms = Math.min(ms, Math.max(nextStarts.get(key)?.atMs ?? Number.POSITIVE_INFINITY, nowMs()) - nowMs());
    }
    return ms;
  }

  return async ({ find, call }) => {
    const keys = await find();
    if (!keys) return IDLE_LOOK_MS;
    const foundMs = nowMs();
    const due = keys.filter(({ waitMs }) => waitMs <= 0);
    for (const { key, nextMs } of due)
      if (nextMs <= RATE_LOOK_MS) nextStarts.set(key, { atMs: foundMs + nextMs, againMs: LEAST_MS });
    const called = due.length > 0 ? await call(due.map(({ key }) => key)) : 0;
    if (called >= GRANT_BATCH) return 0;
    const waitMs = keys.find(({ waitMs }) => waitMs > 0)?.waitMs ?? RATE_LOOK_MS;
    const sleepMs = Math.min(foundMs + waitMs - nowMs(), msUntilNextStart(), RATE_LOOK_MS);
    return Math.max(Math.ceil(sleepMs), LEAST_MS);
  };
}
