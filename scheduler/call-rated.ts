/** Runs that wait for a rate are called up at the instant at which the next of them may start. */
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

/** One pass; how long to sleep after it. */
export async function callRated({ find, call }: RatedKeys): Promise<number> {
  const keys = await find();
  if (!keys) return IDLE_LOOK_MS;
  const due = keys.filter(({ waitMs }) => waitMs <= 0).map(({ key }) => key);
  const called = due.length > 0 ? await call(due) : 0;
  if (called >= GRANT_BATCH) return 0;
  // Where those that were called up before have not started yet, there is no hurry.
  const next = called > 0 ? LEAST_MS : (keys.find(({ waitMs }) => waitMs > 0)?.waitMs ?? RATE_LOOK_MS);
  return Math.min(Math.max(Math.ceil(next), LEAST_MS), RATE_LOOK_MS);
}
