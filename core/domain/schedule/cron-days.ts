/** Which days of a month the two day fields of a cron expression name. Sets of days are bits: bit 1 is the first. */
import { dayNumber, daysIn, weekdayOf } from "./civil.ts";

/** A day counted from the month's beginning (15, `15W`) or its end (`L`, `L-2`, `LW`). */
export interface CountedDay {
  /** 1 is the first, 0 the last, -2 the third to last. */
  day: number;
  /** `W`: where that is a Saturday or Sunday, the nearest weekday of the same month. */
  nearestWeekday: boolean;
}

/** A weekday by its place: `1#2` the second Monday, `5L` the last Friday. */
export interface PlacedWeekday {
  weekday: number;
  /** 1 to 5, or -1: the last. */
  place: number;
}

export interface CronDays {
  /** Undefined: the field is `*` or `?`, and restricts nothing. */
  ofMonth: { days: number; counted: CountedDay[] } | undefined;
  ofWeek: { weekdays: number; placed: PlacedWeekday[] } | undefined;
}

/** Where both fields are restricted either one is enough. */
export function daysOfMonth({ ofMonth, ofWeek }: CronDays, year: number, month: number): number {
  const length = daysIn(year, month);
  const all = (2 ** length - 1) * 2;
  if (!ofMonth && !ofWeek) return all;
  let days = ofMonth ? ofMonth.days : 0;
  for (const counted of ofMonth?.counted ?? []) days |= bitOf(countDay(counted, year, month, length));
  if (ofWeek) {
    const firstWeekday = weekdayOf(dayNumber(year, month, 1));
    for (let day = 1; day <= length; day += 1) {
      if (ofWeek.weekdays & (1 << ((firstWeekday + day - 1) % 7))) days |= bitOf(day);
    }
    for (const placed of ofWeek.placed) days |= bitOf(placeWeekday(placed, firstWeekday, length));
  }
  return days & all;
}

/** Bit 0 is no day of any month. */
const bitOf = (day: number) => 1 << day;
const NO_DAY = 0;

function countDay(
  { day: given, nearestWeekday }: CountedDay,
  year: number,
  month: number,
  length: number,
): number {
  const day = given > 0 ? given : length + given;
  if (day < 1 || day > length) return NO_DAY;
  if (!nearestWeekday) return day;
  const weekday = weekdayOf(dayNumber(year, month, day));
  if (weekday === 6) return day > 1 ? day - 1 : day + 2;
  if (weekday === 0) return day < length ? day + 1 : day - 2;
  return day;
}

function placeWeekday({ weekday, place }: PlacedWeekday, firstWeekday: number, length: number): number {
  const first = 1 + ((weekday - firstWeekday + 7) % 7);
  if (place > 0) return first + (place - 1) * 7 <= length ? first + (place - 1) * 7 : NO_DAY;
  return first + Math.floor((length - first) / 7) * 7;
}
