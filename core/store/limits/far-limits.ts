/**
 * Whether the limits that a store meets are far off: of each of them plenty of permits were left at the last ends, and no
 * claim wanted more than there were. While they are, ends lay the permits of their runs beside the count without asking,
 * and claims count those off now and then only. Where a limit is nearer than was thought the statement says so, and
 * another one follows. Either way limits are exact: this decides how much the statements do.
 */
import type { Store } from "../database.ts";

/** Ends that find plenty of permits left, after one that did not. */
export const NEAR_FOR = 100;
/** Of the claims that take permits of limits far off, every nth counts off what was given back. */
export const FOLD_EVERY = 20;

interface Outlook {
  nearFor: number;
  claims: number;
}

const outlooks = new WeakMap<Store["pool"], Outlook>();

function outlookOf({ pool }: Pick<Store, "pool">): Outlook {
  const known = outlooks.get(pool) ?? { nearFor: 1, claims: 0 };
  outlooks.set(pool, known);
  return known;
}

export const expectsFarLimits = (store: Pick<Store, "pool">): boolean => outlookOf(store).nearFor === 0;

/** Whether a claim may leave uncounted what was given back: the limits are far off, and it is not its turn. */
export function mayLeaveReturned(store: Pick<Store, "pool">): boolean {
  const outlook = outlookOf(store);
  if (outlook.nearFor > 0) return false;
  outlook.claims = (outlook.claims + 1) % FOLD_EVERY;
  return outlook.claims > 0;
}

/** Of an end: whether plenty was left of each limit of its runs. */
export function noteLimits(store: Pick<Store, "pool">, areFar: boolean): void {
  const outlook = outlookOf(store);
  outlook.nearFor = areFar ? Math.max(outlook.nearFor - 1, 0) : NEAR_FOR;
}
