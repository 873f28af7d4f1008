/**
 * The instants of a schedule. Nominal ones: a task with jitter fires a little later (jitter.ts). Pure: everything takes
 * the instants it needs. `anchor` is when the schedule was made; `calendar` holds the days of the calendar that the
 * schedule's exclusions name. Throws an `InstantNotFoundError` where a search comes to its bounds, and what reading a
 * schedule throws where its zone is not known any more: that is never the end of a schedule.
 */
import { nextCron } from "./cron.ts";
import { type CalendarDates, findExclusionEnd, NO_DATES, nextExclusion } from "./exclusions.ts";
import { DEFAULT_CLOCK_CHANGES, InstantNotFoundError } from "./local-times.ts";
import { nextRrule } from "./rrule.ts";
import {
  doesRepeat,
  type EverySchedule,
  LATEST_MS,
  type RepeatingSchedule,
  type Schedule,
} from "./schedule.ts";

/** Each is a stretch that is excluded: a day, an hour, a minute, or an instant alone. */
const MAX_EXCLUSIONS = 1_000;
/** Of rules by hours, minutes and seconds: to find one instant of those may take as long as a thousand of others. */
const MAX_EXCLUSIONS_OF_TIMES = 50;

const mostExclusions = (schedule: RepeatingSchedule) =>
  schedule.kind === "rrule" && /FREQ=(?:HOURLY|MINUTELY|SECONDLY)/.test(schedule.rule)
    ? MAX_EXCLUSIONS_OF_TIMES
    : MAX_EXCLUSIONS;

/** The first instant of a schedule that was made at `anchor`; null: never. */
export function firstOccurrence(schedule: Schedule, anchor: Date, calendar?: CalendarDates): Date | null {
  if (doesRepeat(schedule)) return nextOccurrence(schedule, anchor, anchor, calendar);
  if (schedule.kind === "now") return anchor;
  return schedule.kind === "once" ? new Date(schedule.at) : new Date(anchor.getTime() + schedule.delayMs);
}

/** The first instant strictly after `after` that fires, for schedules that repeat; null for those that fire once. */
export function nextOccurrence(
  schedule: Schedule,
  anchor: Date,
  after: Date,
  calendar: CalendarDates = NO_DATES,
): Date | null {
  if (!doesRepeat(schedule)) return null;
  let afterMs = after.getTime();
  const most = mostExclusions(schedule);
  for (let count = 0; count < most; count += 1) {
    const atMs = nextNamed(schedule, anchor, afterMs);
    if (atMs === null) return null;
    const excludedToMs = findExclusionEnd(schedule, atMs, calendar);
    if (excludedToMs === undefined) return new Date(atMs);
    afterMs = excludedToMs - 1;
  }
  throw new InstantNotFoundError(`${most} times in a row are excluded`);
}

/** The first instant after `afterMs` that the schedule names, be it excluded or not. */
function nextNamed(schedule: RepeatingSchedule, anchor: Date, afterMs: number): number | null {
  const { startAt, endAt } = schedule;
  const fromMs = startAt === undefined ? afterMs : Math.max(afterMs, Date.parse(startAt) - 1);
  const atMs = nextOfKind(schedule, anchor.getTime(), fromMs);
  const lastMs = endAt === undefined ? LATEST_MS : Math.min(Date.parse(endAt), LATEST_MS);
  return atMs === null || atMs > lastMs ? null : atMs;
}

function nextOfKind(schedule: RepeatingSchedule, anchorMs: number, afterMs: number): number | null {
  if (schedule.kind === "every") return nextOnGrid(schedule, anchorMs, afterMs);
  const changes = { ...DEFAULT_CLOCK_CHANGES, ...pickChanges(schedule) };
  if (schedule.kind === "cron") return nextCron(schedule.expression, schedule.timezone, afterMs, changes);
  const startMs = schedule.anchor === undefined ? anchorMs : Date.parse(schedule.anchor);
  return nextRrule(schedule.rule, schedule.timezone, startMs, afterMs, changes);
}

const pickChanges = ({ gap, repeat }: Exclude<RepeatingSchedule, EverySchedule>) => ({
  ...(gap && { gap }),
  ...(repeat && { repeat }),
});

/** A grid that its author laid begins with its anchor; one that is counted from when it was made, an interval later. */
function nextOnGrid({ everyMs, anchor, startAt }: EverySchedule, madeMs: number, afterMs: number): number {
  const laid = anchor ?? startAt;
  const fromMs = laid === undefined ? madeMs : Date.parse(laid);
  const steps = Math.floor((afterMs - fromMs) / everyMs) + 1;
  return fromMs + Math.max(steps, laid === undefined ? 1 : 0) * everyMs;
}

/** The instants after `after`, one after the other, as long as there are any: whoever asks sets the bound. */
export function* occurrencesAfter(
  schedule: Schedule,
  anchor: Date,
  after: Date,
  calendar?: CalendarDates,
): Generator<Date, void, undefined> {
  for (let at: Date | null = after; ; ) {
    at = nextOccurrence(schedule, anchor, at, calendar);
    if (at === null) return;
    yield at;
  }
}

/** Exclusions that meet no instant: where the two alternate, a search of months would look at millions. */
const MAX_MISSES = 10_000;

/**
 * Instants that the schedule names after `after` and before `before`, and that its exclusions keep from firing: the first
 * `most`. Goes from exclusion to exclusion, and stops early, with what it has found, at `MAX_MISSES`.
 */
export function findExcluded(
  schedule: Schedule,
  anchor: Date,
  after: Date,
  before: Date,
  calendar: CalendarDates,
  most: number,
): { count: number; firstAt: Date; lastAt: Date } | undefined {
  if (!doesRepeat(schedule) || !schedule.exclude) return undefined;
  const beforeMs = before.getTime();
  const excluded: number[] = [];
  let afterMs = after.getTime();
  for (let misses = 0; excluded.length < most && misses < MAX_MISSES; ) {
    const fromMs = nextExclusion(schedule, afterMs + 1, beforeMs, calendar);
    const atMs = fromMs === null ? null : nextNamed(schedule, anchor, fromMs - 1);
    if (atMs === null || atMs >= beforeMs) break;
    if (findExclusionEnd(schedule, atMs, calendar) === undefined) misses += 1;
    else excluded.push(atMs);
    afterMs = atMs;
  }
  const [first, last] = [excluded[0], excluded.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  return { count: excluded.length, firstAt: new Date(first), lastAt: new Date(last) };
}
