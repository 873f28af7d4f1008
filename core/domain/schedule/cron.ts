/** Cron expressions: what they say, and the local times that they name. Pure; what was read is kept. */
import { DAY_MS, dayNumber, dayOf, SECOND_MS, toCivil } from "./civil.ts";
import { daysOfMonth } from "./cron-days.ts";
import { findForeignForm } from "./cron-dialects.ts";
import { type CronFields, CronSyntaxError, readFields } from "./cron-fields.ts";
import {
  type ClockChanges,
  DEFAULT_CLOCK_CHANGES,
  EVERY_INSTANT,
  type LocalTimes,
  nextInstant,
} from "./local-times.ts";

const MACROS: Record<string, string> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
  "@minutely": "* * * * *",
  "@secondly": "* * * * * *",
  "@weekdays": "0 0 * * 1-5",
  "@weekends": "0 0 * * 0,6",
};

const MAX_KEPT = 5_000;
const kept = new Map<string, CronFields>();

/** Throws a `CronSyntaxError`. */
export function readCron(expression: string): CronFields {
  const known = kept.get(expression);
  if (known) return known;
  const fields = readFields(splitFields(expression));
  if (kept.size >= MAX_KEPT) kept.clear();
  kept.set(expression, fields);
  return fields;
}

function splitFields(expression: string): string[] {
  const text = expression.trim();
  const macro = MACROS[text.toLowerCase()];
  const fields = (macro ?? text).split(/\s+/);
  if (text.startsWith("@") && macro === undefined)
    throw new CronSyntaxError(`${JSON.stringify(text)} is not known; ${Object.keys(MACROS).join(", ")} are`);
  if (fields.length === 5 || fields.length === 6) return fields;
  throw new CronSyntaxError(
    "a cron expression has five fields: minute, hour, day of month, month, day of week; with six the first is the second",
  );
}

/** The expression in plain fields: a macro as what it stands for, names by three letters. */
export const toCronText = (expression: string): string =>
  splitFields(expression)
    .map((field) => field.replace(/[a-z]{4,}/gi, (name) => name.slice(0, 3)))
    .join(" ");

/** What is wrong with an expression that comes in, or undefined. */
export function findCronFault(expression: string, now: Date): string | undefined {
  const foreign = findForeignForm(expression.trim());
  if (foreign !== undefined) return foreign;
  try {
    const fires = toLocalTimes(readCron(expression)).next(now.getTime()) !== null;
    return fires ? undefined : "this expression never fires: no such day in that month";
  } catch (error) {
    if (error instanceof CronSyntaxError) return error.message;
    throw error;
  }
}

/** The first instant after `afterMs`, of any of the expressions; null: there is none. Throws an `InstantNotFoundError`. */
export function nextCron(
  expressions: string | string[],
  timezone: string,
  afterMs: number,
  changes: ClockChanges = DEFAULT_CLOCK_CHANGES,
): number | null {
  let firstMs = Infinity;
  for (const expression of [expressions].flat()) {
    const fields = readCron(expression);
    const rule = fields.everyHour ? EVERY_INSTANT : changes;
    firstMs = Math.min(firstMs, nextInstant(toLocalTimes(fields), timezone, rule, afterMs) ?? Infinity);
  }
  return firstMs === Infinity ? null : firstMs;
}

const MINUTE_S = 60;
const HOUR_S = 3_600;

/**
 * Whether an exclusion's expression names the local time: then until when, at least, it names every time; else undefined.
 * With five fields it names whole minutes.
 */
export function matchCron(expression: string, localMs: number): number | undefined {
  const { hours, minutes, seconds, months, days } = readCron(expression);
  const day = dayOf(localMs);
  const time = Math.floor((localMs - day * DAY_MS) / SECOND_MS);
  const { year, month, dayOfMonth } = toCivil(day);
  if (!months.includes(month) || !(daysOfMonth(days, year, month) & (1 << dayOfMonth))) return undefined;
  const isWholeMinute = !namesSeconds(expression) || seconds.length === 60;
  const isNamed =
    hours.includes(Math.floor(time / HOUR_S)) &&
    minutes.includes(Math.floor(time / MINUTE_S) % 60) &&
    (isWholeMinute || seconds.includes(time % 60));
  if (!isNamed) return undefined;
  let size = 1;
  if (isWholeMinute) size = MINUTE_S;
  if (isWholeMinute && minutes.length === 60) size = HOUR_S;
  if (size === HOUR_S && hours.length === 24) return (day + 1) * DAY_MS;
  return day * DAY_MS + (Math.floor(time / size) + 1) * size * SECOND_MS;
}

/** The first local time at or after `localMs` that an exclusion's expression names; null: there is none. */
export const nextMatch = (expression: string, localMs: number): number | null =>
  matchCron(expression, localMs) === undefined ? toLocalTimes(readCron(expression)).next(localMs) : localMs;

const namesSeconds = (expression: string) => splitFields(expression).length === 6;

/** No day that there is comes more rarely: 29 February on a given weekday, 40 years apart around 2100. */
const MAX_MONTHS = 50 * 12;

function toLocalTimes(fields: CronFields): LocalTimes {
  return {
    next(fromMs) {
      const secondsFrom = Math.ceil(fromMs / SECOND_MS);
      const today = dayOf(secondsFrom * SECOND_MS);
      const time = nextTimeOfDay(fields, secondsFrom - (today * DAY_MS) / SECOND_MS);
      const day = nextDay(fields, time === undefined ? today + 1 : today);
      if (day === undefined) return null;
      const timeThen = day === today ? time! : nextTimeOfDay(fields, 0)!;
      return day * DAY_MS + timeThen * SECOND_MS;
    },
  };
}

/** The first day at or after `from`. */
function nextDay({ months, days }: CronFields, from: number): number | undefined {
  let { year, month, dayOfMonth } = toCivil(from);
  for (let count = 0; count < MAX_MONTHS; count += 1) {
    if (months.includes(month)) {
      const left = daysOfMonth(days, year, month) & (-1 << dayOfMonth);
      if (left !== 0) return dayNumber(year, month, lowestBit(left));
    }
    dayOfMonth = 1;
    month += 1;
    if (month > 12) [year, month] = [year + 1, 1];
  }
  return undefined;
}

const lowestBit = (bits: number) => 31 - Math.clz32(bits & -bits);

/** The first second of the day at or after `from` (0 to 86,399). */
function nextTimeOfDay({ hours, minutes, seconds }: CronFields, from: number): number | undefined {
  const [hour, minute, second] = [Math.floor(from / HOUR_S), Math.floor(from / MINUTE_S) % 60, from % 60];
  const first = minutes[0]! * MINUTE_S + seconds[0]!;
  if (hours.includes(hour)) {
    const laterSecond = minutes.includes(minute) ? atLeast(seconds, second) : undefined;
    if (laterSecond !== undefined) return hour * HOUR_S + minute * MINUTE_S + laterSecond;
    const laterMinute = atLeast(minutes, minute + 1);
    if (laterMinute !== undefined) return hour * HOUR_S + laterMinute * MINUTE_S + seconds[0]!;
  }
  const laterHour = atLeast(hours, hour + 1);
  return laterHour === undefined ? undefined : laterHour * HOUR_S + first;
}

const atLeast = (values: number[], least: number) => values.find((value) => value >= least);
