/** What a queue says of its runs. Pure. */
import type { KeyLimits } from "./limit.ts";

export interface QueueLimits {
  /** Runs at once; null: as many as come. */
  concurrency: number | null;
  /** Of the runs that name the same key; null: none. */
  perKey: KeyLimits | null;
}

export const NO_LIMITS: QueueLimits = { concurrency: null, perKey: null };

/** Of a queue that is paused until somebody resumes it. */
export const UNTIL_RESUMED = Number.POSITIVE_INFINITY;

/** Why a run that could start has not: its queue is paused, a limit is reached, or no worker has a free slot. */
export const WAIT_REASONS = ["concurrency", "paused", "slot"] as const;
export type WaitReason = (typeof WAIT_REASONS)[number];
