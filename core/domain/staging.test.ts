import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decideStageAheadMs,
  HERD_AHEAD_MS,
  LARGEST_HERD,
  MAX_SLEEP_MS,
  needsWaking,
  STAGE_AHEAD_MS,
  STAGE_BATCH,
  stayWithinDay,
} from "./staging.ts";

const NOW = new Date("2026-03-02T10:00:00.000Z");
const inMs = (ms: number) => new Date(NOW.getTime() + ms);

test("a scheduler is woken for an instant that it might sleep through, and not for one that it finds by itself", () => {
  for (const ms of [-1_000, 0, STAGE_AHEAD_MS, MAX_SLEEP_MS + STAGE_AHEAD_MS])
    assert.equal(needsWaking(inMs(ms), NOW), true, `in ${ms} ms`);
  for (const ms of [60_000, 86_400_000]) assert.equal(needsWaking(inMs(ms), NOW), false, `in ${ms} ms`);
});

test("a scheduler is woken for a task without an instant: one may have to be looked for", () => {
  assert.equal(needsWaking(null, NOW), true);
});

test("what fits into a pass is staged a second ahead, and more of it earlier, by ten seconds at most", () => {
  for (const [dueTasks, aheadMs] of [
    [0, STAGE_AHEAD_MS],
    [STAGE_BATCH - 1, STAGE_AHEAD_MS],
    [10_000, 3_500],
    [LARGEST_HERD - STAGE_BATCH, HERD_AHEAD_MS - 250],
    [LARGEST_HERD, HERD_AHEAD_MS],
    [10 * LARGEST_HERD, HERD_AHEAD_MS],
  ] as const)
    assert.equal(decideStageAheadMs(dueTasks), aheadMs, `${dueTasks} tasks`);
});

test("where runs are counted by the day no more than a second of the next one is staged", () => {
  const before = (ms: number) => new Date(Date.UTC(2026, 2, 3) - ms);
  for (const [ms, aheadMs] of [
    [60_000, HERD_AHEAD_MS],
    [4_000, 3_999],
    [1_001, STAGE_AHEAD_MS],
    [500, STAGE_AHEAD_MS],
    [0, HERD_AHEAD_MS],
  ] as const)
    assert.equal(stayWithinDay(HERD_AHEAD_MS, before(ms)), aheadMs, `${ms} ms before midnight`);
  assert.equal(stayWithinDay(STAGE_AHEAD_MS, before(4_000)), STAGE_AHEAD_MS);
});
