/** Instants of a schedule that became no run of their own. Pure. */

/**
 * `overlap`: a run of the task was still open; `missed`: no scheduler was there in time; `excluded`: the schedule excludes
 * them; `paused`: the task was paused; `limit`: its namespace had begun as many runs that day, or stored as much, as it may.
 */
export const SKIP_REASONS = ["overlap", "missed", "excluded", "paused", "limit"] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** Successive ones of one reason are one record; each that was skipped for `overlap` is one of its own. */
export interface SkippedInstants {
  reason: SkipReason;
  /** Counted up to `MAX_COUNTED`. */
  count: number;
  /** ISO 8601. */
  firstAt: string;
  /** The last that was counted. */
  lastAt: string;
}

/** Finding the instants of a cron takes time: of more than these only as many are counted. */
export const MAX_COUNTED = 1_000;

/** The first instant of a schedule strictly after `after`; null: there is none, or it fires once. */
export type FindNext = (after: Date) => Date | null;

/** The instants from `first`, which is one, to `until`, itself included; undefined: there are none. */
export function countSkipped(
  findNext: FindNext,
  reason: SkipReason,
  first: Date,
  until: Date,
): SkippedInstants | undefined {
  if (first > until) return undefined;
  let last = first;
  let count = 1;
  for (; count < MAX_COUNTED; count += 1) {
    const next = findNext(last);
    if (!next || next > until) break;
    last = next;
  }
  return { reason, count, firstAt: first.toISOString(), lastAt: last.toISOString() };
}

/** One instant. */
export const skipOne = (reason: SkipReason, at: Date): SkippedInstants => ({
  ...{ reason, count: 1, firstAt: at.toISOString(), lastAt: at.toISOString() },
});
