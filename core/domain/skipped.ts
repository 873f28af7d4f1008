/** Instants of a schedule that became no run of their own. Pure. */
import { nextOccurrence } from "./schedule/occurrences.ts";
import type { Schedule } from "./schedule/schedule.ts";

/** Successive ones of one reason are one record. */
export interface SkippedInstants {
  /** `missed`: no scheduler was there at the instant, and the task was paused, changed or cancelled before one came. */
  reason: "missed";
  /** Counted up to `MAX_COUNTED`. */
  count: number;
  /** ISO 8601. */
  firstAt: string;
  /** The last that was counted. */
  lastAt: string;
}

/** Finding the instants of a cron takes time: of more than these only as many are counted. */
export const MAX_COUNTED = 1_000;

/** The instants from `from` to `now` of a schedule that repeats; undefined where there are none, or it fires once. */
export function findMissed(
  schedule: Schedule,
  anchor: Date,
  from: Date | null,
  now: Date,
): SkippedInstants | undefined {
  if (!from || from > now) return undefined;
  let next = nextOccurrence(schedule, anchor, from);
  if (!next) return undefined;
  let last = from;
  let count = 1;
  for (; next && next <= now && count < MAX_COUNTED; count += 1) {
    last = next;
    next = nextOccurrence(schedule, anchor, next);
  }
  return { reason: "missed", count, firstAt: from.toISOString(), lastAt: last.toISOString() };
}
