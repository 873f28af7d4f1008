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

/**
 * A start may be taken so long ahead of its instant, and the run waits for it in its slot. A bucket of one start is full, and
 * wastes what comes, from the instant at which the next may start until it does: the way there takes some time.
 */
export const START_AHEAD_MS = 200;
/** No more slots than this wait for starts of one bucket. */
export const MOST_AHEAD = 20;

/** Of a bucket of several starts by less, or not at all: what it gets back meanwhile fits into it. */
export const aheadOf = ({ intervalMs, burst }: Pick<Bucket, "intervalMs" | "burst">) =>
  Math.max(0, Math.min(START_AHEAD_MS, MOST_AHEAD * intervalMs) - (burst - 1) * intervalMs);

/** How many may start now, or by so much later. */
export function countStarts({ intervalMs, burst, fullAtMs }: Bucket, nowMs: number, aheadMs = 0): number {
  return Math.max(0, Math.floor(burst + (nowMs + aheadMs - Math.max(fullAtMs, nowMs)) / intervalMs));
}

/** The instant at which a run starts that needs a start of each of these, and takes it. */
export function takeStart(buckets: Bucket[], nowMs: number): { atMs: number; taken: Bucket[] } {
  const atMs = Math.max(nowMs, ...buckets.map((b) => b.fullAtMs - (b.burst - 1) * b.intervalMs));
  return {
    atMs,
    taken: buckets.map((b) => ({ ...b, fullAtMs: Math.max(b.fullAtMs, atMs) + b.intervalMs })),
  };
}
