/**
 * How many runs may start in which time. A bucket that holds `burst` starts and gets one back each `intervalMs` until it
 * is full (the generic cell rate algorithm): all that is kept of it is the instant at which it will be full again. Pure.
 */

/** As it is said. */
export interface Rate {
  /** Starts in `perMs`. */
  limit: number;
  perMs: number;
  /** Starts that may come at once after a rest; null: `limit`. */
  burst: number | null;
}

/** As it is counted. */
export interface Bucket {
  intervalMs: number;
  burst: number;
  /** In milliseconds since 1970, by the database's clock; in the past: it is full. */
  fullAtMs: number;
}

export const intervalOf = ({ limit, perMs }: Rate) => perMs / limit;

export const burstOf = ({ limit, burst }: Rate) => burst ?? limit;

/** How many may start now. */
export function countStarts({ intervalMs, burst, fullAtMs }: Bucket, nowMs: number): number {
  return fullAtMs <= nowMs ? burst : Math.max(0, Math.floor(burst - (fullAtMs - nowMs) / intervalMs));
}
