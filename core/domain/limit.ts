/** A limit by key as it stands at a moment. Pure. */
import { type Bucket, countStarts, type Rate } from "./rate.ts";

/** As many as come: of a limit that counts permits and refuses none. */
export const UNLIMITED = 2_147_483_647;

/** What holds for each key of a queue. */
export interface KeyLimits {
  /** Of runs with the same concurrency key; null: as many as come. */
  concurrency: number | null;
  /** Of runs with the same rate key. */
  rate: Rate | null;
}

export interface Limit {
  key: string;
  /** Null: there is no limit any more. */
  concurrency: number | null;
  permitsHeld: number;
  /** Or is counted before anybody starts. */
  isPaused: boolean;
  /** Null: however many in whatever time. */
  bucket: Bucket | null;
}

/** How many runs may start at `nowMs`; never less than none. */
export function countFree(limit: Limit, nowMs: number): number {
  const { concurrency, permitsHeld, isPaused, bucket } = limit;
  if (concurrency === null) return Number.POSITIVE_INFINITY;
  if (isPaused) return 0;
  const permits = Math.max(0, concurrency - permitsHeld);
  return bucket ? Math.min(permits, countStarts(bucket, nowMs)) : permits;
}
