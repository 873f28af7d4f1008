/** A backfill: a run for each instant that a task's schedule had in a stretch of the past. Pure. */
import type { CalendarDates } from "./schedule/exclusions.ts";
import { firstOccurrence, occurrencesAfter } from "./schedule/occurrences.ts";
import { doesRepeat, type Schedule } from "./schedule/schedule.ts";

/**
 * `allow`: its runs are made as fast as they can be; `wait`: one when the one before has ended. Every instant was asked for,
 * so none is skipped, and none is cancelled for the next.
 */
export const BACKFILL_OVERLAPS = ["allow", "wait"] as const;
export type BackfillOverlap = (typeof BACKFILL_OVERLAPS)[number];

/** Instants of one backfill. */
export const MAX_BACKFILL = 10_000;

export interface BackfillRange {
  /** Itself included. */
  from: Date;
  /** Itself excluded. */
  to: Date;
}

/**
 * Oldest first: whoever asks sets the bound. A schedule that fires once has one instant.
 * @param dates of the calendar that the schedule names
 */
export function* instantsWithin(
  schedule: Schedule,
  anchor: Date,
  { from, to }: BackfillRange,
  dates?: CalendarDates,
): Generator<Date, void, undefined> {
  const instants = doesRepeat(schedule)
    ? occurrencesAfter(schedule, anchor, new Date(from.getTime() - 1), dates)
    : [firstOccurrence(schedule, anchor)!].filter((at) => at >= from);
  for (const at of instants) {
    if (at >= to) return;
    yield at;
  }
}

/** How long until a run that the next one waits for is looked at again: the longer it goes on, the longer. */
export const decideLookMs = (waitedMs: number): number => Math.min(Math.max(waitedMs / 4, 100), 1_000);
