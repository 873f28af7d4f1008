/**
 * Whether claims of a store meet runs with limits. A statement that takes permits is half as long again to plan as one
 * that only finds out that none are wanted; so a store's claims take none (carefree) until one met such a run, and take
 * them in the same statement from then on (watchful), until many in a row met none. Either way the limits hold.
 */
import type { Store } from "../database.ts";

/** Claims that found runs. */
const WATCHFUL_FOR = 100;

/** Claims left until the store is carefree again. */
const watchful = new WeakMap<Store["pool"], number>();

export function expectsLimits({ pool }: Pick<Store, "pool">): boolean {
  return watchful.has(pool);
}

export function noteClaim({ pool }: Pick<Store, "pool">, hasMetLimits: boolean): void {
  const left = hasMetLimits ? WATCHFUL_FOR : (watchful.get(pool) ?? 0) - 1;
  if (left > 0) watchful.set(pool, left);
  else watchful.delete(pool);
}
