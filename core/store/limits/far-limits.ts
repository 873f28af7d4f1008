/**
 * Whether the limits that a store meets are far off: of each of them plenty of permits were left at the last ends, and no
 * claim wanted more than there were. While they are, ends lay the permits of their runs beside the count without asking,
 * and claims do not count them off: the scheduler does each second, and an end that finds a limit nearer than was thought,
 * in a statement that follows. Either way limits are exact: this decides how much the statements do.
 */
import type { Store } from "../database.ts";

/** Ends that find plenty of permits left, after one that did not. */
export const NEAR_FOR = 100;

/** For so many ends to come a store's limits are thought near. */
const nearFor = new WeakMap<Store["pool"], number>();

const nearForOf = ({ pool }: Pick<Store, "pool">): number => nearFor.get(pool) ?? 1;

export const expectsFarLimits = (store: Pick<Store, "pool">): boolean => nearForOf(store) === 0;

/** Of an end: whether plenty was left of each limit of its runs. */
export function noteLimits(store: Pick<Store, "pool">, areFar: boolean): void {
  nearFor.set(store.pool, areFar ? Math.max(nearForOf(store) - 1, 0) : NEAR_FOR);
}
