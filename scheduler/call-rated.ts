/**
 * Runs that wait for a rate are called up a little ahead of the instant at which the next of them may start, so that it does
 * then. As long as one that was called up has not been claimed nobody knows when the next may: there are some looks soon.
 */
import type { RatedKey } from "../core/store/limits/find-grantable.ts";
import { GRANT_BATCH } from "../core/store/limits/grant-permits.ts";

/** No sleep is longer: a line that has begun meanwhile is found by the next look. */
export const RATE_LOOK_MS = 100;
/** Where no queue has a rate. */
export const IDLE_LOOK_MS = 1_000;
/** No sleep is shorter: starts closer together than this are called up together. */
export const LEAST_LOOK_MS = 25;
/** After runs were called up, so many looks have no longer sleep before them. */
const SOON_LOOKS = 4;

export interface RatedKeys {
  /** Null: no queue has a rate. */
  find(): Promise<RatedKey[] | null>;
  /** Calls up whoever may start; how many. */
  call(keys: string[]): Promise<number>;
}

/** Each call is one pass; how long to sleep after it. */
export function createRatedCaller(): (keys: RatedKeys) => Promise<number> {
  let soon = 0;
  return async ({ find, call }) => {
    const keys = await find();
    if (!keys) return IDLE_LOOK_MS;
    const due = keys.filter(({ waitMs }) => waitMs <= 0).map(({ key }) => key);
    const called = due.length > 0 ? await call(due) : 0;
    if (called >= GRANT_BATCH) return 0;
    soon = called > 0 ? SOON_LOOKS : Math.max(soon - 1, 0);
    if (soon > 0) return LEAST_LOOK_MS;
    const nextMs = keys.find(({ waitMs }) => waitMs > 0)?.waitMs ?? RATE_LOOK_MS;
    return Math.min(Math.max(Math.ceil(nextMs), LEAST_LOOK_MS), RATE_LOOK_MS);
  };
}
