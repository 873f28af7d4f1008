import assert from "node:assert/strict";
import { test } from "node:test";
import { type CalendarDates, isExcluded, NO_DATES } from "./exclusions.ts";
import { InstantNotFoundError } from "./local-times.ts";
import { findExcluded, nextOccurrence } from "./occurrences.ts";
import type { RepeatingSchedule } from "./schedule.ts";

const ANCHOR = new Date("2026-12-01T00:00:00Z");

function instants(
  schedule: RepeatingSchedule,
  after: string,
  count: number,
  calendar: CalendarDates = NO_DATES,
): string[] {
  const found: string[] = [];
  for (let at = new Date(after); found.length < count; ) {
    at = nextOccurrence(schedule, ANCHOR, at, calendar)!;
    found.push(at.toISOString().replace(":00.000Z", "Z"));
  }
  return found;
}

const NINE = { kind: "cron", expression: "0 9 * * *", timezone: "Europe/Rome" } as const;

test("dates are days of the schedule's zone", () => {
  const schedule = { ...NINE, exclude: { dates: ["2026-12-25"] } };
  assert.deepEqual(instants(schedule, "2026-12-24T00:00:00Z", 2), ["2026-12-24T08:00Z", "2026-12-26T08:00Z"]);
  // In Rome the 25th begins at 23:00 UTC on the 24th.
  const hourly = { ...NINE, expression: "0 * * * *", exclude: { dates: ["2026-12-25"] } };
  assert.deepEqual(instants(hourly, "2026-12-24T21:30:00Z", 2), ["2026-12-24T22:00Z", "2026-12-25T23:00Z"]);
});

test("the days of a calendar are left out like dates", () => {
  const schedule = { ...NINE, exclude: { calendar: "it-holidays" } };
  const calendar = new Set(["2026-12-25", "2026-12-26"]);
  assert.deepEqual(instants(schedule, "2026-12-24T12:00:00Z", 1, calendar), ["2026-12-27T08:00Z"]);
  assert.deepEqual(instants(schedule, "2026-12-24T12:00:00Z", 1), ["2026-12-25T08:00Z"]);
});

test("another cron leaves out what it names: whole minutes, and whole hours where it names every minute", () => {
  const everyMinute = { kind: "every", everyMs: 90_000, exclude: { cron: "* 22-6 * * *" } } as const;
  assert.deepEqual(instants(everyMinute, "2026-12-01T21:57:00Z", 2), [
    "2026-12-01T21:58:30.000Z",
    "2026-12-02T07:00Z",
  ]);
  const bySeconds = { ...NINE, expression: "*/20 * * * * *", exclude: { cron: "0 9 * * *" } };
  assert.deepEqual(instants(bySeconds, "2026-12-01T07:59:20Z", 2), [
    "2026-12-01T07:59:40.000Z",
    "2026-12-01T08:01Z",
  ]);
  const oneSecond = { ...bySeconds, exclude: { cron: "20 0 9 * * *" } };
  assert.deepEqual(instants(oneSecond, "2026-12-01T07:59:40Z", 2), [
    "2026-12-01T08:00Z",
    "2026-12-01T08:00:40.000Z",
  ]);
});

test("an exclusion ends where the clocks change, and the hour after it fires", () => {
  // The night of 25 October has two hours from 02:00: both are named, 03:00 is not.
  const schedule = { ...NINE, expression: "*/30 * * * *", exclude: { cron: "* 2 * * *" } };
  assert.deepEqual(instants(schedule, "2026-10-24T23:45:00Z", 1), ["2026-10-25T02:00Z"]);
  const spring = { ...NINE, expression: "*/30 * * * *", exclude: { cron: "* 1 * * *" } };
  assert.deepEqual(instants(spring, "2026-03-28T23:45:00Z", 1), ["2026-03-29T01:00Z"]);
});

test("an instant can be asked whether it is excluded, and a span which of them are", () => {
  const schedule = { ...NINE, exclude: { dates: ["2026-12-25", "2026-12-26"] } };
  assert.equal(isExcluded(schedule, new Date("2026-12-25T08:00:00Z"), NO_DATES), true);
  assert.equal(isExcluded(schedule, new Date("2026-12-24T08:00:00Z"), NO_DATES), false);
  const [after, before] = [new Date("2026-12-24T08:00:00Z"), new Date("2026-12-27T08:00:00Z")];
  assert.deepEqual(findExcluded(schedule, ANCHOR, after, before, NO_DATES, 100), {
    count: 2,
    firstAt: new Date("2026-12-25T08:00:00Z"),
    lastAt: new Date("2026-12-26T08:00:00Z"),
  });
  assert.equal(findExcluded(schedule, ANCHOR, after, before, NO_DATES, 1)?.count, 1);
  assert.equal(findExcluded(NINE, ANCHOR, after, before, NO_DATES, 100), undefined);
});

/** Sixty days, a second at a time. */
const SECONDLY = { ...NINE, expression: "* * * * * *" };
const LONG_SPAN = [new Date("2026-12-01T00:00:00Z"), new Date("2027-01-30T00:00:00Z")] as const;

class CountingDates extends Set<string> {
  lookups = 0;
  override has(date: string): boolean {
    this.lookups += 1;
    return super.has(date);
  }
}

test("a long span costs as much as it excludes, however many instants fire in it", () => {
  const schedule = { ...SECONDLY, exclude: { calendar: "it-holidays" } };
  const later = new CountingDates(["2039-01-01"]);
  assert.equal(findExcluded(schedule, ANCHOR, ...LONG_SPAN, later, 1_000), undefined);
  assert.ok(later.lookups < 1_000, `${later.lookups} lookups`);
  const within = new CountingDates(["2026-12-25", "2039-01-01"]);
  assert.deepEqual(findExcluded(schedule, ANCHOR, ...LONG_SPAN, within, 10), {
    count: 10,
    firstAt: new Date("2026-12-24T23:00:00Z"),
    lastAt: new Date("2026-12-24T23:00:09Z"),
  });
  assert.ok(within.lookups < 1_000, `${within.lookups} lookups`);
});

test("where instants and exclusions alternate and never meet, the search of a long span ends before it does", () => {
  const even = { ...SECONDLY, expression: "*/2 * * * * *" };
  const odd = "1/2 * * * * *";
  const found = (dates: string[]) =>
    findExcluded({ ...even, exclude: { cron: odd, dates } }, ANCHOR, ...LONG_SPAN, NO_DATES, 1_000_000);
  assert.equal(found(["2027-01-29"]), undefined);
  // Of the first of December 23 hours are left when the span begins, and the instant at its beginning lies outside.
  assert.deepEqual(found(["2026-12-01", "2027-01-29"]), {
    count: 23 * 1_800 - 1,
    firstAt: new Date("2026-12-01T00:00:02Z"),
    lastAt: new Date("2026-12-01T22:59:58Z"),
  });
});

/** Looks at every instant of the span. */
function findByWalking(schedule: RepeatingSchedule, after: Date, before: Date, calendar: CalendarDates) {
  const { exclude: _exclude, ...unrestricted } = schedule;
  const excluded: Date[] = [];
  for (let at = after; ; ) {
    at = nextOccurrence(unrestricted, ANCHOR, at)!;
    if (at >= before) break;
    if (isExcluded(schedule, at, calendar)) excluded.push(at);
  }
  return { count: excluded.length, firstAt: excluded[0]!, lastAt: excluded.at(-1)! };
}

test("what a span excludes is what its instants say one by one, also where the clocks change", () => {
  const spans = [
    ["2026-03-27T00:00:00Z", "2026-03-31T00:00:00Z"],
    ["2026-10-23T00:10:00Z", "2026-10-27T00:00:00Z"],
    ["2026-12-30T22:59:59Z", "2027-01-02T23:00:00Z"],
  ] as const;
  const exclusions = [
    { dates: ["2026-03-29", "2026-10-25", "2027-01-01"] },
    { cron: "* 2 * * *" },
    { cron: "*/7 1-3 * * *", dates: ["2026-03-28", "2026-10-26", "2026-12-31"] },
    { cron: "20 */3 * * * *" },
    { cron: "* * * * SAT,SUN", calendar: "it-holidays" },
  ];
  const calendar = new Set(["2026-03-30", "2026-10-26", "2026-12-31"]);
  const schedules = [
    { ...NINE, expression: "*/20 */3 * * * *" },
    { ...NINE, timezone: "Australia/Lord_Howe", expression: "5,35 * * * *" },
    { kind: "every", everyMs: 90_500, timezone: "America/St_Johns" },
    { kind: "rrule", rule: "RRULE:FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,30", timezone: "Europe/Rome" },
  ] as const;
  const anchored = (schedule: (typeof schedules)[number]) =>
    schedule.kind === "rrule" ? { ...schedule, anchor: "2026-01-01T00:00:00Z" } : schedule;
  let compared = 0;
  for (const base of schedules.map(anchored))
    for (const exclude of exclusions)
      for (const [after, before] of spans) {
        const schedule: RepeatingSchedule = { ...base, exclude };
        const span = [new Date(after), new Date(before)] as const;
        const walked = findByWalking(schedule, ...span, calendar);
        const found = findExcluded(schedule, ANCHOR, ...span, calendar, 1_000_000);
        assert.deepEqual(found, walked.count > 0 ? walked : undefined, JSON.stringify(schedule));
        compared += walked.count;
      }
  assert.ok(compared > 10_000, `${compared}`);
});

test("an exclusion that leaves nothing is an error, and never the end", () => {
  const nothing = { ...NINE, exclude: { cron: "* * * * *" } };
  assert.throws(() => instants(nothing, "2026-12-01T00:00:00Z", 1), InstantNotFoundError);
});

test("a year of excluded days is passed, a day at a time", () => {
  const secondly = { ...NINE, expression: "* * * * * *", exclude: { cron: "* * * JAN-NOV *" } };
  assert.deepEqual(instants(secondly, "2026-12-31T22:59:58Z", 2), [
    "2026-12-31T22:59:59.000Z",
    "2027-11-30T23:00Z",
  ]);
});
