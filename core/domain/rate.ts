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

/** A start may be so late, by a look, a bell and a claim, and puts off none of those after it; what is later is not saved up. */
export const MOST_LATE_MS = 1_000;

/** By less than an interval: two late starts are never made up for at once. */
export const latenessOf = (intervalMs: number) => Math.max(0, Math.min(intervalMs - 1, MOST_LATE_MS));

export const intervalOf = ({ limit, perMs }: Rate) => perMs / limit;

export const burstOf = ({ limit, burst }: Rate) => burst ?? limit;

/** How many may start now. */
export function countStarts({ intervalMs, burst, fullAtMs }: Bucket, nowMs: number): number {
  return fullAtMs <= nowMs ? burst : Math.max(0, Math.floor(burst - (fullAtMs - nowMs) / intervalMs));
}

/**
 * So many start now. While runs wait for the bucket the next interval counts from the instant at which it had room, not from
 * the start, which is late; `waitingSinceMs`: they have waited at least since then, or null. As `useRateOfLine`
 * (core/store/limits/permits.ts) has it in SQL.
 */
export function takeStarts(
  bucket: Bucket,
  count: number,
  { nowMs, waitingSinceMs }: { nowMs: number; waitingSinceMs: number | null },
): Bucket {
  const { intervalMs, fullAtMs } = bucket;
  const fromMs = Math.min(nowMs, Math.max(waitingSinceMs ?? nowMs, nowMs - latenessOf(intervalMs)));
  return { ...bucket, fullAtMs: Math.max(fullAtMs, fromMs) + count * intervalMs };
}
