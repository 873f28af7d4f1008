import assert from "node:assert/strict";
import { test } from "node:test";
import { nextOccurrence } from "./schedule/occurrences.ts";
import type { Schedule } from "./schedule/schedule.ts";
import { countSkipped, MAX_COUNTED, skipOne } from "./skipped.ts";

const at = (text: string) => new Date(`2026-03-01T${text}Z`);
const gridOf = (schedule: Schedule) => (after: Date) => nextOccurrence(schedule, at("00:00:00"), after);
const hourly = gridOf({ kind: "cron", expression: "0 * * * *", timezone: "UTC" });
const minutely = gridOf({ kind: "every", everyMs: 60_000 });

test("successive instants are one record, the last included", () => {
  assert.deepEqual(countSkipped(hourly, "missed", at("01:00:00"), at("03:00:00")), {
    reason: "missed",
    count: 3,
    firstAt: "2026-03-01T01:00:00.000Z",
    lastAt: "2026-03-01T03:00:00.000Z",
  });
  assert.equal(countSkipped(minutely, "paused", at("00:01:00"), at("00:01:30"))?.count, 1);
  assert.deepEqual(
    countSkipped(() => null, "missed", at("01:00:00"), at("03:00:00")),
    skipOne("missed", at("01:00:00")),
  );
});

test("an instant that is still to come is not skipped", () => {
  assert.equal(countSkipped(hourly, "missed", at("02:00:00"), at("01:59:59")), undefined);
});

test("counting stops at its bound", () => {
  const everySecond = gridOf({ kind: "every", everyMs: 1_000 });
  const missed = countSkipped(everySecond, "missed", at("00:00:01"), at("23:00:00"))!;
  assert.equal(missed.count, MAX_COUNTED);
  assert.equal(missed.lastAt, "2026-03-01T00:16:40.000Z");
});
