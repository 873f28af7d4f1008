/** What a queue says of its runs. Pure. */
import type { KeyLimits } from "./limit.ts";
import type { Rate } from "./rate.ts";

export interface QueueLimits {
  /** Runs at once; null: as many as come. */
  concurrency: number | null;
  /** Of starts; null: however many. */
  rate: Rate | null;
  /** Of the runs that name the same key; null: none. */
  perKey: KeyLimits | null;
  /** An http task's 429 or 503 with `Retry-After` pauses the queue until then. */
  restOn429: boolean;
}

export const NO_LIMITS: QueueLimits = { concurrency: null, rate: null, perKey: null, restOn429: false };

/** Of a queue that is paused until somebody resumes it. */
export const UNTIL_RESUMED = Number.POSITIVE_INFINITY;

/** When a pause ends: `UNTIL_RESUMED`, or an instant; null: there is none. */
export type PausedUntil = Date | number | null;

/** Why a run that could start has not: its queue is paused, a limit or a rate is reached, or no worker has a free slot. */
export const WAIT_REASONS = ["concurrency", "rate", "paused", "slot"] as const;
export type WaitReason = (typeof WAIT_REASONS)[number];
