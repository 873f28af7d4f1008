import assert from "node:assert/strict";
import { test } from "node:test";
import type { Schedule } from "./schedule/schedule.ts";
import { findMissed, MAX_COUNTED } from "./skipped.ts";

const at = (text: string) => new Date(`2026-03-01T${text}Z`);
const hourly: Schedule = { kind: "cron", expression: "0 * * * *", timezone: "UTC" };
const every: Schedule = { kind: "every", everyMs: 60_000 };

test("instants up to now are missed, now included", () => {
  assert.deepEqual(findMissed(hourly, at("00:00:00"), at("01:00:00"), at("03:00:00")), {
    reason: "missed",
    count: 3,
    firstAt: "2026-03-01T01:00:00.000Z",
    lastAt: "2026-03-01T03:00:00.000Z",
  });
  assert.equal(findMissed(every, at("00:00:00"), at("00:01:00"), at("00:01:30"))?.count, 1);
});

test("an instant that is still to come is not missed, nor is one of a schedule that fires once", () => {
  assert.equal(findMissed(hourly, at("00:00:00"), at("02:00:00"), at("01:59:59")), undefined);
  assert.equal(findMissed(hourly, at("00:00:00"), null, at("01:59:59")), undefined);
  const once: Schedule = { kind: "once", at: at("01:00:00").toISOString() };
  assert.equal(findMissed(once, at("00:00:00"), at("01:00:00"), at("02:00:00")), undefined);
});

test("counting stops at its bound", () => {
  const second: Schedule = { kind: "every", everyMs: 1_000 };
  const missed = findMissed(second, at("00:00:00"), at("00:00:01"), at("23:00:00"))!;
  assert.equal(missed.count, MAX_COUNTED);
  assert.equal(missed.lastAt, "2026-03-01T00:16:40.000Z");
});
