/** Instants that a schedule names and that do not fire. */
import { DAY_MS, dayOf, toDateText } from "./civil.ts";
import { matchCron } from "./cron.ts";
import { doesRepeat, type RepeatingSchedule, type Schedule, zoneOf } from "./schedule.ts";
import { stretchAt } from "./zone.ts";

/** The days of the calendar that a schedule's exclusions name. */
export type CalendarDates = ReadonlySet<string>;
export const NO_DATES: CalendarDates = new Set();

export const excludesInstants = (schedule: Schedule): boolean =>
  doesRepeat(schedule) && schedule.exclude !== undefined;

/** The calendar that a schedule's exclusions name. */
export const calendarNameOf = (schedule: Schedule): string | undefined =>
  doesRepeat(schedule) ? schedule.exclude?.calendar : undefined;

/**
 * Until when nothing fires, where the instant is excluded: no instant before the one that is answered does, though that
 * one may be excluded as well. Undefined: the instant fires.
 */
export function findExclusionEnd(
  schedule: RepeatingSchedule,
  atMs: number,
  calendar: CalendarDates,
): number | undefined {
  const { exclude } = schedule;
  if (!exclude) return undefined;
  const { offsetMs, endMs } = stretchAt(zoneOf(schedule), atMs);
  const localMs = atMs + offsetMs;
  const date = toDateText(dayOf(localMs));
  const isDayExcluded =
    exclude.dates?.includes(date) || (exclude.calendar !== undefined && calendar.has(date));
  const excludedToMs = isDayExcluded
    ? (dayOf(localMs) + 1) * DAY_MS
    : exclude.cron === undefined
      ? undefined
      : matchCron(exclude.cron, localMs);
  // Beyond a change of the clocks the same local time is another instant.
  return excludedToMs === undefined ? undefined : Math.min(excludedToMs - offsetMs, endMs);
}

export const isExcluded = (schedule: RepeatingSchedule, at: Date, calendar: CalendarDates): boolean =>
  findExclusionEnd(schedule, at.getTime(), calendar) !== undefined;
