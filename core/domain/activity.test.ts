import assert from "node:assert/strict";
import { test } from "node:test";
import { divideSpan } from "./activity.ts";

const MINUTE_MS = 60_000;
const NOW = new Date("2026-11-29T12:34:56.789Z");

const divide = (minutes: number) => {
  const { from, stepMs, slices } = divideSpan(NOW, minutes * MINUTE_MS);
  return [from.toISOString(), stepMs / MINUTE_MS, slices];
};

test("a span has few slices, and the present is in the last of them", () => {
  assert.deepEqual(divide(1), ["2026-11-29T12:34:00.000Z", 1, 1]);
  assert.deepEqual(divide(60), ["2026-11-29T11:35:00.000Z", 1, 60]);
  assert.deepEqual(divide(120), ["2026-11-29T10:35:00.000Z", 1, 120]);
  assert.deepEqual(divide(6 * 60), ["2026-11-29T06:35:00.000Z", 5, 72]);
  assert.deepEqual(divide(24 * 60), ["2026-11-28T12:45:00.000Z", 15, 96]);
});

test("a span that is no multiple of its steps is covered", () => {
  assert.deepEqual(divide(121), ["2026-11-29T10:30:00.000Z", 5, 25]);
});
