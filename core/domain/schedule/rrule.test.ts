import assert from "node:assert/strict";
import { test } from "node:test";
import { InstantNotFoundError } from "./local-times.ts";
import { nextOccurrence } from "./occurrences.ts";
import { RruleSyntaxError, readRruleText } from "./rrule-text.ts";
import type { RruleSchedule } from "./schedule.ts";

const MADE = new Date("2026-01-01T00:00:00Z");
const rule = (text: string, given: Partial<RruleSchedule> = {}): RruleSchedule => ({
  ...{ kind: "rrule", rule: text, timezone: "Europe/Rome", anchor: "2026-01-01T08:00:00.000Z" },
  ...given,
});

/** Up to `count` instants after `after`. */
function instants(schedule: RruleSchedule, after: string, count: number): string[] {
  const found: string[] = [];
  for (let at: Date | null = new Date(after); found.length < count; ) {
    at = nextOccurrence(schedule, MADE, at);
    if (!at) break;
    found.push(at.toISOString().replace(":00.000Z", "Z"));
  }
  return found;
}

test("the last Friday of each month, at the anchor's time in the zone", () => {
  assert.deepEqual(instants(rule("FREQ=MONTHLY;BYDAY=-1FR"), "2026-03-01T00:00:00Z", 2), [
    "2026-03-27T08:00Z",
    "2026-04-24T07:00Z",
  ]);
});

test("without an anchor it begins when it was made", () => {
  const { anchor: _anchor, ...schedule } = rule("FREQ=WEEKLY;INTERVAL=2");
  assert.deepEqual(instants(schedule, "2026-01-02T00:00:00Z", 2), ["2026-01-15T00:00Z", "2026-01-29T00:00Z"]);
});

test("the anchor is the first instant where the rule names it, and none comes before", () => {
  assert.deepEqual(instants(rule("FREQ=DAILY"), "2025-12-01T00:00:00Z", 2), [
    "2026-01-01T08:00Z",
    "2026-01-02T08:00Z",
  ]);
  assert.deepEqual(instants(rule("FREQ=DAILY;BYHOUR=6,18"), "2025-12-01T00:00:00Z", 2), [
    "2026-01-01T17:00Z",
    "2026-01-02T05:00Z",
  ]);
});

test("COUNT counts from the anchor, UNTIL is the last instant, in the zone or in UTC", () => {
  assert.deepEqual(instants(rule("FREQ=DAILY;COUNT=2"), "2025-12-01T00:00:00Z", 9), [
    "2026-01-01T08:00Z",
    "2026-01-02T08:00Z",
  ]);
  assert.deepEqual(instants(rule("FREQ=DAILY;COUNT=2;BYHOUR=7"), "2025-12-01T00:00:00Z", 9), [
    "2026-01-02T06:00Z",
    "2026-01-03T06:00Z",
  ]);
  for (const until of ["20260102T090000", "20260102T080000Z", "20260102"])
    assert.equal(instants(rule(`FREQ=DAILY;UNTIL=${until}`), "2025-12-01T00:00:00Z", 9).length, 2, until);
  for (const until of ["20260102T085959", "20260102T075959Z", "20260101"])
    assert.equal(instants(rule(`FREQ=DAILY;UNTIL=${until}`), "2025-12-01T00:00:00Z", 9).length, 1, until);
});

test("COUNT goes on to its end, however many days of the rule hold none", () => {
  const countOf = (text: string) => instants(rule(text), "2025-12-01T00:00:00Z", 2_000).length;
  assert.equal(countOf("FREQ=DAILY;COUNT=1000"), 1_000);
  assert.equal(countOf("FREQ=DAILY;BYMONTHDAY=13;COUNT=60"), 60);
  assert.equal(countOf("FREQ=HOURLY;BYHOUR=13;COUNT=60"), 60);
});

test("a first day that is over by the anchor's time does not move the days after it", () => {
  for (const [text, first] of [
    ["FREQ=WEEKLY;BYHOUR=7;COUNT=2", "2026-01-08T06:00Z"],
    ["FREQ=MONTHLY;BYHOUR=7;COUNT=2", "2026-02-01T06:00Z"],
    ["FREQ=DAILY;INTERVAL=3;BYHOUR=7;COUNT=2", "2026-01-04T06:00Z"],
  ] as const)
    assert.equal(instants(rule(text), "2025-12-01T00:00:00Z", 1)[0], first, text);
});

test("EXDATE takes instants or days away, RDATE adds some", () => {
  const text =
    "RRULE:FREQ=DAILY;COUNT=4\nEXDATE:20260102T090000,20260103\nRDATE:20260110T120000,20260101T090000";
  assert.deepEqual(instants(rule(text), "2025-12-01T00:00:00Z", 9), [
    "2026-01-01T08:00Z",
    "2026-01-04T08:00Z",
    "2026-01-10T11:00Z",
  ]);
});

test("the clocks' changes are a choice, as with a cron", () => {
  const half = (given: Partial<RruleSchedule>) => rule("FREQ=DAILY;BYHOUR=2;BYMINUTE=30", given);
  assert.deepEqual(instants(half({}), "2026-03-28T12:00:00Z", 1), ["2026-03-29T01:30Z"]);
  assert.deepEqual(instants(half({ gap: "skip" }), "2026-03-28T12:00:00Z", 1), ["2026-03-30T00:30Z"]);
  assert.deepEqual(instants(half({ repeat: "both" }), "2026-10-24T12:00:00Z", 2), [
    "2026-10-25T00:30Z",
    "2026-10-25T01:30Z",
  ]);
});

test("a rule by hours keeps its pace through both changes", () => {
  assert.deepEqual(instants(rule("FREQ=HOURLY"), "2026-10-24T23:30:00Z", 4), [
    "2026-10-25T00:00Z",
    "2026-10-25T01:00Z",
    "2026-10-25T02:00Z",
    "2026-10-25T03:00Z",
  ]);
});

test("days that few years have are found, also by a rule of days", () => {
  for (const text of ["FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"])
    assert.deepEqual(instants(rule(text), "2026-01-01T00:00:00Z", 2), [
      "2028-02-29T08:00Z",
      "2032-02-29T08:00Z",
    ]);
});

test("a rule that finds nothing within its bounds says so, soon", () => {
  const began = process.cpuUsage();
  for (const text of [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;BYMONTH=4;BYMONTHDAY=31;BYHOUR=0,1,2,3,4,5,6,7,8,9;BYMINUTE=0,10,20,30,40,50",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
  ])
    assert.throws(() => instants(rule(text), "2026-01-01T00:00:00Z", 1), InstantNotFoundError, text);
  assert.ok(process.cpuUsage(began).user < 5e6, "microseconds of the processor");
});

test("what excludes each instant of a rule by less than a day is given up after few of them: each takes long to find", () => {
  const ofEach = (frequency: string) => {
    const rule = `FREQ=${frequency};BYMONTH=2;BYMONTHDAY=29;BYHOUR=3;BYMINUTE=7`;
    const exclude = { cron: "7 3 * * *" };
    const schedule: RruleSchedule = { kind: "rrule", rule, timezone: "UTC", exclude };
    return () => nextOccurrence(schedule, new Date("2026-01-01T00:00:00Z"), new Date("2026-01-01T00:00:00Z"));
  };
  assert.throws(ofEach("MINUTELY"), { message: "50 times in a row are excluded" });
  assert.throws(ofEach("YEARLY"), InstantNotFoundError);
});

test("a text that is no rule is refused in words", () => {
  for (const [text, words] of [
    ["", /exactly one RRULE/],
    ["BYDAY=MO", /must name its FREQ: DAILY/],
    ["FREQ=DAILY;FOO=1", /"FOO" is not known; FREQ/],
    ["FREQ=DAILY;INTERVAL=0", /"INTERVAL=0" is not valid/],
    ["FREQ=DAILY;COUNT=1001", /"COUNT=1001" is not valid/],
    ["FREQ=DAILY;BYHOUR=25", /"BYHOUR=25" is not valid/],
    ["FREQ=MONTHLY;BYMONTHDAY=0", /"BYMONTHDAY=0" is not valid/],
    ["FREQ=DAILY;COUNT=1;COUNT=2", /names COUNT twice/],
    ["FREQ=DAILY;COUNT=9;BYHOUR=1,2", /go with one time a day/],
    [`FREQ=DAILY;BYHOUR=${[...Array(24).keys()].join()};BYMINUTE=0,20,40`, /names 72 times; at most 60/],
    ["FREQ=DAILY;BYDAY=1MO", /BYDAY with numbers goes with FREQ=MONTHLY or YEARLY, not DAILY/],
    ["FREQ=DAILY;BYDAY=MO;BYSETPOS=1", /goes with FREQ=WEEKLY, MONTHLY or YEARLY, not DAILY/],
    ["FREQ=WEEKLY;BYMONTHDAY=13", /write FREQ=MONTHLY, with BYDAY/],
    ["FREQ=MONTHLY;BYYEARDAY=100", /BYYEARDAY goes with FREQ=YEARLY, not MONTHLY/],
    ["FREQ=YEARLY;BYDAY=MO;BYYEARDAY=100", /write BYMONTH and BYMONTHDAY instead/],
    ["FREQ=YEARLY;BYDAY=1FR;BYMONTHDAY=13", /write BYDAY=FR;BYMONTHDAY=13/],
    ["FREQ=MONTHLY;BYWEEKNO=20;BYDAY=MO", /BYWEEKNO goes with FREQ=YEARLY/],
    ["FREQ=YEARLY;BYWEEKNO=20", /needs the days of the week.*BYWEEKNO=20;BYDAY=MO/],
    ["FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;BYMONTH=5", /BYWEEKNO goes with BYDAY alone/],
    [`FREQ=YEARLY;BYYEARDAY=${[...Array(61).keys()].map((day) => day + 1).join()}`, /at most 60 values/],
    ["RRULE:FREQ=DAILY\nRRULE:FREQ=DAILY", /exactly one RRULE/],
    ["DTSTART:20260101T000000\nRRULE:FREQ=DAILY", /written as "anchor"/],
    ["RRULE:FREQ=DAILY\nEXRULE:FREQ=DAILY", /"EXRULE" is not known/],
    ["RRULE:FREQ=DAILY\nEXDATE:20260230", /"20260230" is not a valid date/],
    ["RRULE:FREQ=DAILY\nRDATE:20260201", /an RDATE has a time/],
  ] as const)
    assert.throws(
      () => readRruleText(text),
      (error: Error) => error instanceof RruleSyntaxError && words.test(error.message),
      text,
    );
});
