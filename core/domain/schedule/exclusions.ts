/** Instants that a schedule names and that do not fire. */
import { DAY_MS, dayOf, toDateText } from "./civil.ts";
import { matchCron, nextMatch } from "./cron.ts";
import { EVERY_INSTANT, type LocalTimes, MAX_OFFSET_MS, nextInstant } from "./local-times.ts";
import { doesRepeat, type Exclusions, type RepeatingSchedule, type Schedule, zoneOf } from "./schedule.ts";
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
  const excludedToMs = isDayExcluded(exclude, dayOf(localMs), calendar)
    ? (dayOf(localMs) + 1) * DAY_MS
    : exclude.cron === undefined
      ? undefined
      : matchCron(exclude.cron, localMs);
  // Beyond a change of the clocks the same local time is another instant.
  return excludedToMs === undefined ? undefined : Math.min(excludedToMs - offsetMs, endMs);
}

function isDayExcluded({ dates, calendar: name }: Exclusions, day: number, calendar: CalendarDates): boolean {
  const date = toDateText(day);
  return dates?.includes(date) === true || (name !== undefined && calendar.has(date));
}

/** The first instant at or after `fromMs`, and before `beforeMs`, that is excluded if the schedule names it; or null. */
export function nextExclusion(
  schedule: RepeatingSchedule,
  fromMs: number,
  beforeMs: number,
  calendar: CalendarDates,
): number | null {
  const { exclude } = schedule;
  if (!exclude) return null;
  const times = toLocalTimes(exclude, calendar, beforeMs + MAX_OFFSET_MS);
  const foundMs = nextInstant(times, zoneOf(schedule), EVERY_INSTANT, fromMs - 1);
  return foundMs !== null && foundMs < beforeMs ? foundMs : null;
}

/** What is excluded before the local time `beforeMs`: the days until then are looked at one by one. */
function toLocalTimes(exclude: Exclusions, calendar: CalendarDates, beforeMs: number): LocalTimes {
  const namesDays = exclude.dates !== undefined || exclude.calendar !== undefined;
  return {
    next(fromMs) {
      const byCronMs = exclude.cron === undefined ? null : nextMatch(exclude.cron, fromMs);
      const endMs = Math.min(byCronMs ?? Infinity, beforeMs);
      for (let day = dayOf(fromMs); namesDays && day * DAY_MS < endMs; day += 1)
        if (isDayExcluded(exclude, day, calendar)) return Math.max(fromMs, day * DAY_MS);
      return byCronMs !== null && byCronMs < beforeMs ? byCronMs : null;
    },
  };
}

export const isExcluded = (schedule: RepeatingSchedule, at: Date, calendar: CalendarDates): boolean =>
  findExclusionEnd(schedule, at.getTime(), calendar) !== undefined;
