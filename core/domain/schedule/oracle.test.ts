/**
 * Every instant around changes of the clocks, against a slow oracle: of a year, one zone of each distinct
 * table of changes. `npm run verify-instants` takes every zone and every change of ten years.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { expectInstants, findChanges, readClock } from "../../../test/support/cron-oracle.ts";
import { nextCron } from "./cron.ts";
import { type ClockChanges, GAPS, REPEATS } from "./local-times.ts";

const DAY_MS = 86_400_000;
const IS_WHOLE = process.env["BELLHOP_VERIFY_ALL_ZONES"] === "1";
const FROM_MS = Date.UTC(2026, 0, 1);
const TO_MS = Date.UTC(IS_WHOLE ? 2036 : 2027, 0, 1);

const EXPRESSIONS = [
  ...["* * * * *", "*/5 * * * *", "0 * * * *", "30 * * * *", "15,45 */2 * * *", "0 */3 * * 1-5"],
  ...["0 0 * * *", "30 0 * * *", "59 23 * * *", "0 1 * * *", "30 1 * * *", "0 2 * * *", "30 2 * * *"],
  ...["0,15,30,45 2,3 * * *", "*/20 1-4 * * *", "0 22-23 * * *", "0 9 * * 1-5", "0 12 L * *", "7 3 1-31 * *"],
  "30 0-23 * * 0,6",
];

test(`instants around the changes of ${IS_WHOLE ? "every zone" : "one zone of each table"}`, async (t) => {
  const zones = Intl.supportedValuesOf("timeZone");
  const seen = new Set<string>();
  let count = { zones: 0, changes: 0, instants: 0 };
  for (const zone of zones) {
    const changes = findChanges(zone, FROM_MS, TO_MS);
    const table = JSON.stringify([changes, new Date(FROM_MS).toLocaleString("en-US", { timeZone: zone })]);
    if (!IS_WHOLE && seen.has(table)) continue;
    seen.add(table);
    const judged = changes.length > 0 ? changes : [FROM_MS + 180 * DAY_MS];
    const instants = judged.map((change) => compareAround(zone, change));
    count = {
      zones: count.zones + 1,
      changes: count.changes + changes.length,
      instants: count.instants + instants.reduce((sum, each) => sum + each, 0),
    };
  }
  t.diagnostic(`${count.zones} zones, ${count.changes} changes, ${count.instants} instants`);
  assert.ok(count.zones > 50 && count.changes > 50, JSON.stringify(count));
});

/** Two days before to two days after; answers how many instants were compared. */
function compareAround(zone: string, changeMs: number): number {
  const minuteMs = changeMs - (changeMs % 60_000);
  const clock = readClock(zone, minuteMs - 2 * DAY_MS, minuteMs + 2 * DAY_MS);
  let count = 0;
  for (const [index, expression] of EXPRESSIONS.entries()) {
    const changes = { gap: GAPS[index % 2]!, repeat: REPEATS[(index >> 1) % 2]! };
    for (const rule of [changes, { gap: "shift", repeat: "first" }] satisfies ClockChanges[]) {
      const expected = expectInstants(expression, clock, rule);
      const found = instantsBetween(expression, zone, rule, clock.fromMs + DAY_MS, clock.toMs - DAY_MS);
      const told = `${expression} in ${zone} around ${new Date(changeMs).toISOString()}, ${JSON.stringify(rule)}`;
      assert.deepEqual(found.map(show), expected.map(show), told);
      count += found.length;
    }
  }
  return count;
}

const show = (ms: number) => new Date(ms).toISOString();

function instantsBetween(
  expression: string,
  zone: string,
  changes: ClockChanges,
  fromMs: number,
  toMs: number,
): number[] {
  const found: number[] = [];
  let at = nextCron(expression, zone, fromMs - 1, changes);
  for (; at !== null && at < toMs; at = nextCron(expression, zone, at, changes)) found.push(at);
  return found;
}
