import assert from "node:assert/strict";
import { test } from "node:test";
import { CronExpressionParser } from "cron-parser";
import fc from "fast-check";
import { assertHolds } from "../../../test/support/properties.ts";
import { findCronFault, nextCron, readCron } from "./cron.ts";
import { translateForeign } from "./cron-dialects.ts";

const NOW = new Date("2026-11-28T00:00:00Z");

/** The days on which the expression fires from 28 November 2026 on. */
function days(expression: string, count: number, from = NOW): string[] {
  const found: string[] = [];
  for (let after = from; found.length < count; ) {
    after = new Date(nextCron(expression, "UTC", after.getTime())!);
    found.push(after.toISOString().slice(0, 10));
  }
  return found;
}

test("L is the month's last day, L-2 the third to last, LW the last weekday", () => {
  assert.deepEqual(days("0 0 L * *", 3), ["2026-11-30", "2026-12-31", "2027-01-31"]);
  assert.deepEqual(days("0 0 L-2 * *", 3), ["2026-12-29", "2027-01-29", "2027-02-26"]);
  assert.deepEqual(days("0 0 LW * *", 3), ["2026-11-30", "2026-12-31", "2027-01-29"]);
  assert.deepEqual(days("0 0 1,L * *", 3), ["2026-11-30", "2026-12-01", "2026-12-31"]);
});

test("15W is the weekday nearest to the 15th, in the same month", () => {
  // 15 May 2027 is a Saturday, 15 August 2027 a Sunday.
  assert.deepEqual(days("0 0 15W 5,8 *", 2), ["2027-05-14", "2027-08-16"]);
  // 1 May 2027 is a Saturday, 31 October 2027 a Sunday: neither leaves its month.
  assert.deepEqual(days("0 0 1W 5 *", 1), ["2027-05-03"]);
  assert.deepEqual(days("0 0 31W 10 *", 1), ["2027-10-29"]);
  assert.deepEqual(days("0 0 31W * *", 2), ["2026-12-31", "2027-01-29"], "a month without the day has none");
});

test("1#2 is the second Monday, 5L the last Friday, in lists as well", () => {
  assert.deepEqual(days("0 0 * * 1#2", 2), ["2026-12-14", "2027-01-11"]);
  assert.deepEqual(days("0 0 * * 5L", 2), ["2026-12-25", "2027-01-29"]);
  assert.deepEqual(days("0 0 * * FRIL,mon#1", 3), ["2026-12-07", "2026-12-25", "2027-01-04"]);
});

test("ranges go round: 22-2, FRI-MON, NOV-FEB, 30-2", () => {
  assert.deepEqual(readCron("0 22-2 * * *").hours, [0, 1, 2, 22, 23]);
  assert.deepEqual(readCron("0 22-3/2 * * *").hours, [0, 2, 22]);
  assert.deepEqual(readCron("50-10/10 * * * *").minutes, [0, 10, 50]);
  assert.deepEqual(readCron("0 0 * NOV-FEB *").months, [1, 2, 11, 12]);
  assert.deepEqual(readCron("0 0 * * FRI-MON").days, readCron("0 0 * * 5,6,0,1").days);
  assert.deepEqual(readCron("0 0 * * 7-2").days, readCron("0 0 * * 0-2").days);
  assert.deepEqual(readCron("0 0 30-2 * *").days, readCron("0 0 30,31,1,2 * *").days);
});

test("names in full, lists of steps, macros and ? mean what they say", () => {
  assert.deepEqual(readCron("0 0 1 January,Sept *"), readCron("0 0 1 1,9 *"));
  assert.deepEqual(readCron("0 0 * * monday-Friday"), readCron("0 0 * * 1-5"));
  assert.deepEqual(readCron("*/15,*/20 * * * *").minutes, [0, 15, 20, 30, 40, 45]);
  assert.deepEqual(readCron("@midnight"), readCron("0 0 * * *"));
  assert.deepEqual(readCron(" @Daily "), readCron("0 0 * * *"));
  assert.deepEqual(readCron("0 9 ? * MON"), readCron("0 9 * * MON"));
});

test("two restricted day fields: either is enough, and a stepped star is restricted", () => {
  // The 28th is a Saturday: Mondays and odd days.
  assert.deepEqual(days("0 0 */2 * 1", 4), ["2026-11-29", "2026-11-30", "2026-12-01", "2026-12-03"]);
  assert.deepEqual(days("0 0 13 * FRI", 3), ["2026-12-04", "2026-12-11", "2026-12-13"]);
  assert.deepEqual(days("0 0 * * 1", 2), ["2026-11-30", "2026-12-07"]);
});

test("what another system writes is answered by what to write here", () => {
  for (const [expression, words] of [
    ["@every 5m", /^an interval is no cron expression: \{"every":"5m"\}/],
    ["@every five", /^write \{"every": "5m"\}/],
    ["@reboot", /a task without a schedule runs once/],
    ["rate(5 minutes)", /^an interval is no cron expression: \{"every":"5m"\}/],
    ["rate(1 month)", /^write \{"every": "5m"\}.*months differ/],
    ["at(2026-12-01T09:00:00)", /^write \{"at": "2026-12-01T09:00:00", "timezone"/],
    ["TZ=Europe/Rome 0 9 * * *", /^write \{"cron":"0 9 \* \* \*","timezone":"Europe\/Rome"\}/],
    ["cron(0 12 * * ? *)", /^write "0 12 \* \* \?"/],
    ["0 12 * * ? *", /^write "0 12 \* \* \?"/],
    ["0 12 ? * MON-FRI *", /write "0 12 \? \* MON-FRI"/],
    ["0 0 12 * * ? 2026", /write "0 0 12 \* \* \?", with startAt and endAt/],
    ["15 10 ? * 6L 2026", /a year is no field here.*write "15 10 \? \* FRIL", with startAt/],
    ["15 10 * * 6L 2026", /^a year is no field here: leave it out, and name the day of the week/],
    ["15 10 * * 6L *", /^"6L" is not a valid month/],
    ["0 0 * * H", /hashed fields \(H\) are not supported; jitter/],
  ] as const)
    assert.match(findCronFault(expression, NOW) ?? "", words, expression);
});

test("where 1 is Sunday the weekdays are read so, and none by its number where that is not clear", () => {
  for (const [text, expression] of [
    ["cron(0 9 ? * 2-6 *)", "0 9 ? * MON-FRI"],
    ["cron(0 9 ? * 1,7 *)", "0 9 ? * SUN,SAT"],
    ["cron(0 9 ? * 6L *)", "0 9 ? * FRIL"],
    ["cron(0 9 ? * 2#1 *)", "0 9 ? * MON#1"],
    ["cron(0 9 ? * 2/2 *)", "0 9 ? * MON,WED,FRI"],
    ["cron(0 9 ? * 2-5/3 *)", "0 9 ? * MON,THU"],
    ["cron(0 9 ? * FRI *)", "0 9 ? * FRI"],
    ["0 0 9 ? * 2 *", "0 0 9 ? * MON"],
    ["cron(0 9 * * MON)", "0 9 * * MON"],
  ] as const)
    assert.deepEqual(translateForeign(text), { cron: expression }, text);
  for (const text of ["cron(0 9 * * 2)", "0 0 9 * * 2 *", "0 0 9 * * 2", "0 9 * * 2", "cron(0 9 ? * 2 2026)"])
    assert.equal(translateForeign(text), undefined, text);
});

test("what has no meaning is quoted, with what the field takes", () => {
  for (const [expression, words] of [
    ["0 0 L-31 * *", /^"L-31" is not a valid day of month: 1 to 31, L, L-2, 15W, LW/],
    ["0 0 32W * *", /^"32W" is not a valid day of month/],
    ["0 0 28-3/2 * *", /^"28-3\/2" is not a valid day of month/],
    ["0 0 * * L", /^"L" is not a valid day of week: 0 to 7, SUN to SAT, 5L, 1#2/],
    ["0 0 * * 1#6", /^"1#6" is not a valid day of week/],
    ["0 0 * * 8L", /^"8L" is not a valid day of week/],
    ["0 0 * JA *", /^"JA" is not a valid month/],
    ["1,,2 * * * *", /^"" is not a valid minute/],
    ["1-2-3 * * * *", /^"1-2-3" is not a valid minute/],
    ["*/0 * * * *", /^"\*\/0" is not a valid minute/],
    ["5* * * * *", /^"5\*" is not a valid minute/],
    ["@dayly", /^"@dayly" is not known; @yearly/],
  ] as const)
    assert.match(findCronFault(expression, NOW) ?? "", words, expression);
});

const FIELDS = [
  { min: 0, max: 59 },
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12 },
  { min: 0, max: 7 },
];

function anyField({ min, max }: (typeof FIELDS)[number]) {
  const value = fc.integer({ min, max });
  const range = fc
    .tuple(value, value)
    .map(([one, other]) => `${Math.min(one, other)}-${Math.max(one, other)}`);
  const base = fc.oneof(fc.constant("*"), range, range, value.map(String), value.map(String));
  const step = fc.oneof(
    { weight: 2, arbitrary: fc.constant("") },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 30 }).map((by) => `/${by}`) },
  );
  const item = fc.tuple(base, step).map((parts) => parts.join(""));
  const items = fc.array(item, { minLength: 1, maxLength: 3 }).map((each) => each.join(","));
  return fc.oneof(fc.constant("*"), fc.constant("?"), items);
}

/** It refuses values that an item repeats. */
function parseTheirs(expression: string) {
  try {
    return CronExpressionParser.parse(expression).fields;
  } catch {
    return undefined;
  }
}

const bits = (values: readonly (number | string)[], size: number) =>
  values.reduce((sum: number, value) => sum | (1 << (Number(value) % size)), 0);

test("whatever plain expression cron-parser reads, it reads alike", () => {
  assertHolds(
    fc.property(fc.tuple(...FIELDS.map(anyField)), (fields) => {
      const expression = fields.join(" ");
      const ours = readCron(expression);
      const theirs = parseTheirs(expression);
      fc.pre(theirs !== undefined);
      assert.deepEqual(ours.seconds, theirs.second.values);
      assert.deepEqual(ours.minutes, theirs.minute.values);
      assert.deepEqual(ours.hours, theirs.hour.values);
      assert.deepEqual(ours.months, theirs.month.values);
      const { ofMonth, ofWeek } = ours.days;
      assert.equal(ofMonth === undefined, theirs.dayOfMonth.isWildcard);
      assert.equal(ofWeek === undefined, theirs.dayOfWeek.isWildcard);
      // It leaves out days that a single month does not have.
      if (ofMonth && ours.months.length > 1) assert.equal(ofMonth.days, bits(theirs.dayOfMonth.values, 32));
      if (ofWeek) assert.equal(ofWeek.weekdays, bits(theirs.dayOfWeek.values, 7));
    }),
    1_000,
  );
});
