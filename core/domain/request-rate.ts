/**
 * How many requests a key may make: as a bucket that holds `limit` and fills in `perMs`, told by one instant, that at which
 * it would be full.
 */
export interface RequestRate {
  limit: number;
  perMs: number;
}

export interface TakenRequest {
  isTaken: boolean;
  /** When the bucket is full, in the caller's milliseconds: all that has to be kept. */
  fullAtMs: number;
  /** Still free. */
  remaining: number;
  /** Until there is one more; 0: it is full. */
  nextInMs: number;
}

/** @param fullAtMs what was kept; undefined: it is full */
export function takeRequest(
  { limit, perMs }: RequestRate,
  fullAtMs: number | undefined,
  nowMs: number,
): TakenRequest {
  const eachMs = perMs / limit;
  // No fuller than full, and no emptier than empty: the rate may have been another.
  const before = Math.min(Math.max(fullAtMs ?? nowMs, nowMs), nowMs + perMs);
  const isTaken = before + eachMs <= nowMs + perMs + SLACK_MS;
  const after = isTaken ? before + eachMs : before;
  const remaining = Math.max(0, Math.floor((perMs - (after - nowMs) + SLACK_MS) / eachMs));
  const nextInMs = remaining === limit ? 0 : Math.max(0, after - nowMs - (limit - remaining - 1) * eachMs);
  return { isTaken, fullAtMs: after, remaining, nextInMs };
}

/** Fractions of a millisecond add up to less than this. */
const SLACK_MS = 0.001;
