/**
 * Whether the limits that a store meets are far off: of each of them plenty of permits were left at the last ends, and no
 * claim wanted more than there were. While they are, ends lay the permits of their runs beside the count without asking,
 * and claims do not count them off: the scheduler does each second, and an end that finds a limit nearer than was thought,
 * in a statement that follows. Where besides the runs of a claim name no more than one key, its permits are taken with its
 * lock in one step. Either way limits are exact: this decides how much the statements do.
 */
import type { Store } from "../database.ts";

/** Ends that find plenty of permits left, after one that did not. */
export const NEAR_FOR = 100;

/** Claims that are thought to meet several keys at once, after one that did. */
export const SEVERAL_FOR = 100;

/** For so many ends to come a store's limits are thought near. */
const nearFor = new WeakMap<Store["pool"], number>();

const nearForOf = ({ pool }: Pick<Store, "pool">): number => nearFor.get(pool) ?? 1;

export const expectsFarLimits = (store: Pick<Store, "pool">): boolean => nearForOf(store) === 0;

/** Of an end: whether plenty was left of each limit of its runs. */
export function noteLimits(store: Pick<Store, "pool">, areFar: boolean): void {
  nearFor.set(store.pool, areFar ? Math.max(nearForOf(store) - 1, 0) : NEAR_FOR);
}

const severalFor = new WeakMap<Store["pool"], number>();

export const expectsOneKey = ({ pool }: Pick<Store, "pool">): boolean => (severalFor.get(pool) ?? 0) === 0;

/** Of a claim of limits that are far off: whether it met several keys. */
export function noteKeys({ pool }: Pick<Store, "pool">, areSeveral: boolean): void {
  severalFor.set(pool, areSeveral ? SEVERAL_FOR : Math.max((severalFor.get(pool) ?? 0) - 1, 0));
}
