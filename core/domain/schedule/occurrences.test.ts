import assert from "node:assert/strict";
import { test } from "node:test";
import { findCronFault } from "./cron.ts";
import { firstOccurrence, nextOccurrence } from "./occurrences.ts";
import type { Schedule } from "./schedule.ts";
import { isTimezone } from "./zone.ts";

const at = (text: string) => new Date(text);
const anchor = at("2026-01-01T00:00:00.000Z");
const every = (everyMs: number): Schedule => ({ kind: "every", everyMs });
const cron = (expression: string, timezone = "UTC"): Schedule => ({ kind: "cron", expression, timezone });

/** The first `count` instants after `from`. */
function instants(schedule: Schedule, from: string, count: number): (string | undefined)[] {
  let after = at(from);
  return Array.from({ length: count }, () => {
    after = nextOccurrence(schedule, anchor, after)!;
    return after.toISOString().replace(".000Z", "Z");
  });
}

test("the first occurrence of each kind", () => {
  const first = (schedule: Schedule) => firstOccurrence(schedule, anchor)?.toISOString();
  assert.equal(first({ kind: "now" }), "2026-01-01T00:00:00.000Z");
  assert.equal(first({ kind: "once", at: "2026-12-01T09:00:00.000Z" }), "2026-12-01T09:00:00.000Z");
  assert.equal(first({ kind: "delay", delayMs: 0 }), "2026-01-01T00:00:00.000Z");
  assert.equal(first({ kind: "delay", delayMs: 90_500 }), "2026-01-01T00:01:30.500Z");
  assert.equal(first(every(10_000)), "2026-01-01T00:00:10.000Z");
  assert.equal(first(cron("30 9 * * *")), "2026-01-01T09:30:00.000Z");
});

test("what fires once has no next occurrence", () => {
  for (const schedule of [
    { kind: "now" },
    { kind: "once", at: "2026-12-01T09:00:00.000Z" },
    { kind: "delay", delayMs: 1_000 },
  ] satisfies Schedule[]) {
    assert.equal(nextOccurrence(schedule, anchor, anchor), null);
  }
});

test("`every` keeps to the grid of its anchor, however late it is asked", () => {
  const next = (after: string) => nextOccurrence(every(10_000), anchor, at(after))?.toISOString();
  assert.equal(next("2026-01-01T00:00:10.000Z"), "2026-01-01T00:00:20.000Z");
  assert.equal(next("2026-01-01T00:00:19.999Z"), "2026-01-01T00:00:20.000Z");
  assert.equal(next("2026-01-01T00:00:20.001Z"), "2026-01-01T00:00:30.000Z");
  assert.equal(next("2026-06-01T12:34:56.789Z"), "2026-06-01T12:35:00.000Z");
  // Asked from before the grid begins: its first instant, never the anchor itself or earlier.
  assert.equal(next("2025-12-31T23:00:00.000Z"), "2026-01-01T00:00:10.000Z");
});

test("cron reads five fields, six with seconds first, names and @words, in its timezone", () => {
  assert.deepEqual(instants(cron("*/15 8 * * MON-FRI"), "2026-01-02T08:30:00Z", 2), [
    "2026-01-02T08:45:00Z",
    "2026-01-05T08:00:00Z",
  ]);
  assert.deepEqual(instants(cron("*/20 * * * * *"), "2026-01-01T00:00:05Z", 3), [
    "2026-01-01T00:00:20Z",
    "2026-01-01T00:00:40Z",
    "2026-01-01T00:01:00Z",
  ]);
  assert.deepEqual(instants(cron("@daily", "Asia/Tokyo"), "2026-01-01T00:00:00Z", 1), [
    "2026-01-01T15:00:00Z",
  ]);
  assert.deepEqual(instants(cron("0 12 L * *"), "2026-02-01T00:00:00Z", 1), ["2026-02-28T12:00:00Z"]);
  assert.deepEqual(instants(cron("0 0 29 2 *"), "2026-01-01T00:00:00Z", 2), [
    "2028-02-29T00:00:00Z",
    "2032-02-29T00:00:00Z",
  ]);
});

test("a daily time keeps its hour on the wall through both changes of the clock", () => {
  const nine = cron("0 9 * * *", "Europe/Rome");
  assert.deepEqual(instants(nine, "2026-03-27T12:00:00Z", 2), [
    "2026-03-28T08:00:00Z",
    "2026-03-29T07:00:00Z",
  ]);
  assert.deepEqual(instants(nine, "2026-10-23T12:00:00Z", 2), [
    "2026-10-24T07:00:00Z",
    "2026-10-25T08:00:00Z",
  ]);
});

test("spring: a time that the clock jumps over fires once that day, after the jump", () => {
  // 02:30 does not exist on 29 March: 03:30 in its stead.
  assert.deepEqual(instants(cron("30 2 * * *", "Europe/Rome"), "2026-03-28T00:00:00Z", 3), [
    "2026-03-28T01:30:00Z",
    "2026-03-29T01:30:00Z",
    "2026-03-30T00:30:00Z",
  ]);
  assert.deepEqual(instants(cron("30 2 * * *", "America/New_York"), "2026-03-07T12:00:00Z", 2), [
    "2026-03-08T07:30:00Z",
    "2026-03-09T06:30:00Z",
  ]);
});

test("autumn: a time that comes twice fires once, and every hour still means every hour", () => {
  assert.deepEqual(instants(cron("30 2 * * *", "Europe/Rome"), "2026-10-24T12:00:00Z", 2), [
    "2026-10-25T00:30:00Z",
    "2026-10-26T01:30:00Z",
  ]);
  assert.deepEqual(instants(cron("0 * * * *", "Europe/Rome"), "2026-10-24T23:30:00Z", 4), [
    "2026-10-25T00:00:00Z",
    "2026-10-25T01:00:00Z",
    "2026-10-25T02:00:00Z",
    "2026-10-25T03:00:00Z",
  ]);
});

test("a cron expression that cannot be is refused in words", () => {
  const cases: [string, RegExp][] = [
    ["", /five fields/],
    ["* * * *", /five fields/],
    ["* * * * * * *", /a year is no field here/],
    ["0 0 30 2 *", /never fires/],
    ["0 0 31 2,4 *", /never fires/],
    ["61 * * * *", /61/],
    ["0 0 * * 8", /8/],
    ["*/0 * * * *", /0/],
    ["@reboot", /./],
    ["every day", /five fields/],
  ];
  for (const [expression, words] of cases)
    assert.match(findCronFault(expression, anchor) ?? "", words, expression);
  for (const fine of ["0 0 30 2 1", "@hourly", "0 0 * MAR THU", " 0 0 1 1 * ", "0 0 ? * *"]) {
    assert.equal(findCronFault(fine, anchor), undefined, fine);
  }
});

test("hashed fields are refused wherever they stand: each parse would choose another instant", () => {
  for (const hashed of [
    "H * * * *",
    "0 H * * *",
    "0 0 * H *",
    "0 0 * * H",
    "0 0 * * H/2",
    "0 0 * * 1,h",
    "0 0 * H(1-6) *",
  ]) {
    assert.match(findCronFault(hashed, anchor) ?? "", /hashed/, hashed);
  }
});

test("a timezone is an IANA name, no offset and no invention", () => {
  for (const name of ["UTC", "Europe/Rome", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
    assert.ok(isTimezone(name), name);
  for (const name of ["", "+02:00", "UTC+2", "Mars/Phobos", "Europe/Rome\n", "../etc"])
    assert.ok(!isTimezone(name), name);
});

test("a field that cannot be read is quoted, with what it takes", () => {
  for (const [expression, words] of [
    ["99 * * * *", /^"99" is not a valid minute: 0 to 59/],
    ["* 24 * * *", /^"24" is not a valid hour: 0 to 23/],
    ["0 0 32 * *", /^"32" is not a valid day of month: 1 to 31/],
    ["0 0 * FOO *", /^"FOO" is not a valid month: 1 to 12, JAN to DEC/],
    ["0 0 * * 8", /^"8" is not a valid day of week: 0 to 7, SUN to SAT/],
    ["61 * * * * *", /^"61" is not a valid second: 0 to 59/],
    ["@hourli", /^"@hourli" is not known; @yearly/],
  ] as const)
    assert.match(findCronFault(expression, anchor) ?? "", words);
});

test("`every` with an anchor begins with it, and keeps to its grid", () => {
  const laid: Schedule = { kind: "every", everyMs: 3_600_000, anchor: "2026-01-01T10:15:00.000Z" };
  assert.deepEqual(instants(laid, "2025-12-31T00:00:00Z", 2), [
    "2026-01-01T10:15:00Z",
    "2026-01-01T11:15:00Z",
  ]);
  assert.deepEqual(instants(laid, "2026-03-01T00:00:00Z", 1), ["2026-03-01T00:15:00Z"]);
});

test("startAt is the first instant that may fire, endAt the last; an `every` is counted from startAt", () => {
  const span = { startAt: "2026-02-01T09:00:00.000Z", endAt: "2026-02-03T09:00:00.000Z" };
  const daily: Schedule = { kind: "cron", expression: "0 9 * * *", timezone: "UTC", ...span };
  assert.deepEqual(instants(daily, "2026-01-01T00:00:00Z", 3), [
    "2026-02-01T09:00:00Z",
    "2026-02-02T09:00:00Z",
    "2026-02-03T09:00:00Z",
  ]);
  assert.equal(nextOccurrence(daily, anchor, at("2026-02-03T09:00:00Z")), null);
  const hourly: Schedule = { kind: "every", everyMs: 3_600_000, startAt: "2026-02-01T09:20:00.000Z" };
  assert.equal(firstOccurrence(hourly, anchor)?.toISOString(), "2026-02-01T09:20:00.000Z");
});

test("of several expressions any one fires, and an instant that two name fires once", () => {
  const both: Schedule = { kind: "cron", expression: ["0 9 * * *", "0 9,17 * * FRI"], timezone: "UTC" };
  assert.deepEqual(instants(both, "2026-01-01T12:00:00Z", 3), [
    "2026-01-02T09:00:00Z",
    "2026-01-02T17:00:00Z",
    "2026-01-03T09:00:00Z",
  ]);
});

test("a zone that is not known any more is an error, and never the end", () => {
  assert.throws(() => nextOccurrence(cron("0 9 * * *", "Mars/Phobos"), anchor, anchor), RangeError);
});
