/** The days of a rule are those that RFC 5545 names, day by day; and whatever is taken has a sentence. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc, { type Arbitrary } from "fast-check";
import { assertHolds } from "../../../test/support/properties.ts";
import { DAY_MS, dayNumber, daysIn, toCivil, weekdayOf } from "./civil.ts";
import { describeSchedule } from "./describe.ts";
import { InstantNotFoundError } from "./local-times.ts";
import { nextOccurrence } from "./occurrences.ts";
import { RruleSyntaxError, readRruleText } from "./rrule-text.ts";
import type { RruleSchedule } from "./schedule.ts";

const WEEKDAYS = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];
const START = Date.parse("2026-01-14T08:00:00Z");
const FIRST_DAY = Math.floor(START / DAY_MS);
const JUDGED_DAYS = 365 * 9;

type Parts = Map<string, string[]>;
const toParts = (rule: string): Parts =>
  new Map(rule.split(";").map((part) => [part.split("=")[0]!, part.split("=")[1]!.split(",")] as const));

const weekStart = (day: number, first: number) => day - ((weekdayOf(day) - first + 7) % 7);

/** Of the year in which the most days of its week lie. */
function weekOf(day: number, first: number) {
  const begin = (year: number) => weekStart(dayNumber(year, 1, 4), first);
  let { year } = toCivil(day);
  if (day >= begin(year + 1)) year += 1;
  if (day < begin(year)) year -= 1;
  return { year, week: Math.floor((day - begin(year)) / 7) + 1, weeks: (begin(year + 1) - begin(year)) / 7 };
}

/** 1 is the first, -1 the last. */
const isPlace = (value: string | number, place: number, of: number) =>
  Number(value) > 0 ? Number(value) === place : of + 1 + Number(value) === place;

function isNamed(parts: Parts, day: number): boolean {
  const { year, month, dayOfMonth } = toCivil(day);
  const [inMonth, inYear] = [daysIn(year, month), dayNumber(year + 1, 1, 1) - dayNumber(year, 1, 1)];
  const dayOfYear = day - dayNumber(year, 1, 1) + 1;
  const { week, weeks } = weekOf(day, WEEKDAYS.indexOf(parts.get("WKST")?.[0] ?? "MO"));
  const byMonth = parts.get("FREQ")![0] === "MONTHLY" || parts.has("BYMONTH");
  const [place, of] = byMonth ? [dayOfMonth, inMonth] : [dayOfYear, inYear];
  const isWeekday = (value: string) => {
    if (value.slice(-2) !== WEEKDAYS[weekdayOf(day)]) return false;
    const number = Number(value.slice(0, -2));
    return number === 0 || number === (number > 0 ? Math.ceil(place / 7) : -Math.ceil((of - place + 1) / 7));
  };
  const some = (part: string, isIt: (value: string) => boolean) => parts.get(part)?.some(isIt) ?? true;
  return (
    some("BYMONTH", (value) => Number(value) === month) &&
    some("BYWEEKNO", (value) => isPlace(value, week, weeks)) &&
    some("BYYEARDAY", (value) => isPlace(value, dayOfYear, inYear)) &&
    some("BYMONTHDAY", (value) => isPlace(value, dayOfMonth, inMonth)) &&
    some("BYDAY", isWeekday) &&
    isDayOfStart(parts, day)
  );
}

/** Of a rule that names no day. */
function isDayOfStart(parts: Parts, day: number): boolean {
  if (["BYDAY", "BYMONTHDAY", "BYYEARDAY"].some((part) => parts.has(part))) return true;
  const [one, start] = [toCivil(day), toCivil(FIRST_DAY)];
  const frequency = parts.get("FREQ")![0];
  if (frequency === "WEEKLY") return weekdayOf(day) === weekdayOf(FIRST_DAY);
  if (frequency === "DAILY") return true;
  const isSameMonth = frequency === "MONTHLY" || parts.has("BYMONTH") || one.month === start.month;
  return isSameMonth && one.dayOfMonth === start.dayOfMonth;
}

function periodOf(parts: Parts, day: number): number {
  const first = WEEKDAYS.indexOf(parts.get("WKST")?.[0] ?? "MO");
  const [one, start] = [toCivil(day), toCivil(FIRST_DAY)];
  switch (parts.get("FREQ")![0]) {
    case "DAILY":
      return day - FIRST_DAY;
    case "WEEKLY":
      return (weekStart(day, first) - weekStart(FIRST_DAY, first)) / 7;
    case "MONTHLY":
      return (one.year - start.year) * 12 + one.month - start.month;
    default:
      return (parts.has("BYWEEKNO") ? weekOf(day, first).year : one.year) - start.year;
  }
}

function listDays(rule: string): number[] {
  const parts = toParts(rule);
  const interval = Number(parts.get("INTERVAL")?.[0] ?? 1);
  // From the beginning of the first period to the end of the last that is judged: BYSETPOS counts within one.
  const all = Array.from({ length: JUDGED_DAYS + 1_100 }, (_, index) => FIRST_DAY - 370 + index);
  const periods = Map.groupBy(
    all.filter((day) => isNamed(parts, day)),
    (day) => periodOf(parts, day),
  );
  const places = parts.get("BYSETPOS");
  return [...periods].flatMap(([period, days]) => {
    if (period < 0 || period % interval !== 0) return [];
    const chosen = places
      ? days.filter((_, index) => places.some((value) => isPlace(value, index + 1, days.length)))
      : days;
    return chosen.filter((day) => day >= FIRST_DAY && day < FIRST_DAY + JUDGED_DAYS);
  });
}

const within = (min: number, max: number) => fc.integer({ min, max }).filter((value) => value !== 0);
const listOf = (item: Arbitrary<unknown>) =>
  fc.uniqueArray(item, { minLength: 1, maxLength: 3 }).map((values) => values.join());
const maybe = (name: string, value: Arbitrary<unknown>, freq = 2) =>
  fc.option(
    value.map((text) => `${name}=${text}`),
    { freq, nil: undefined },
  );
const weekday = fc.constantFrom(...WEEKDAYS);
const numbered = fc.tuple(fc.constantFrom(1, 2, 4, -1, -2), weekday).map((parts) => parts.join(""));

const anyRule = fc
  .tuple(
    fc.constantFrom("DAILY", "WEEKLY", "MONTHLY", "YEARLY").map((frequency) => `FREQ=${frequency}`),
    maybe("INTERVAL", within(2, 4)),
    maybe("BYMONTH", listOf(within(1, 12))),
    maybe("BYWEEKNO", listOf(within(-5, 53)), 5),
    maybe("BYYEARDAY", listOf(within(-366, 366)), 5),
    maybe("BYMONTHDAY", listOf(within(-5, 31)), 3),
    maybe("BYDAY", fc.oneof(listOf(weekday), listOf(numbered)), 1),
    maybe("BYSETPOS", listOf(within(-2, 2)), 3),
    maybe("WKST", weekday, 4),
  )
  .map((parts) => parts.filter((part) => part !== undefined).join(";"));

const isTaken = (rule: string) => {
  try {
    return readRruleText(rule) !== undefined;
  } catch (error) {
    if (error instanceof RruleSyntaxError) return false;
    throw error;
  }
};

test("the days of a rule are those that its parts name", () => {
  let judged = 0;
  assertHolds(
    fc.property(anyRule.filter(isTaken), (rule) => {
      const anchor = new Date(START).toISOString();
      const schedule: RruleSchedule = { kind: "rrule", rule, timezone: "UTC", anchor };
      assert.match(describeSchedule(schedule), /^Every .+ at 08:00.*, in UTC\.$/);
      const found: number[] = [];
      try {
        for (let at: Date | null = new Date(START - 1); found.length < 10; ) {
          at = nextOccurrence(schedule, at, at);
          if (at === null || at.getTime() >= (FIRST_DAY + JUDGED_DAYS) * DAY_MS) break;
          found.push(Math.floor(at.getTime() / DAY_MS));
        }
      } catch (error) {
        // It gives up after so many periods without a day, and says so.
        if (!(error instanceof InstantNotFoundError)) throw error;
        return;
      }
      judged += 1;
      assert.deepEqual(found, listDays(rule).slice(0, 10));
    }),
    400,
  );
  assert.ok(judged > 0);
});
