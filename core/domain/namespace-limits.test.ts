import assert from "node:assert/strict";
import { test } from "node:test";
import { runsAtOnce, runsAtOnceFromNow } from "./namespace-limits.ts";

test("runs at once: the share of the slots there are, one at least, and no more than is said outright", () => {
  const cases: [
    concurrentRuns: number | null,
    slotsShare: number | null,
    slots: number,
    atOnce: number | null,
  ][] = [
    [null, null, 8, null],
    [5, null, 100, 5],
    [null, 25, 16, 4],
    [null, 25, 15, 3],
    [null, 25, 0, 1],
    [null, 1, 8, 1],
    [null, 100, 8, 8],
    [5, 50, 100, 5],
    [5, 50, 4, 2],
  ];
  for (const [concurrentRuns, slotsShare, slots, atOnce] of cases)
    assert.equal(runsAtOnce({ concurrentRuns, slotsShare }, slots), atOnce);
});

test("a change lowers what a share has come to, and leaves it to the scheduler to raise it", () => {
  const cases: [
    limits: [concurrentRuns: number | null, slotsShare: number | null],
    before: [slotsShare: number | null, runs: number | null],
    knownSlots: number,
    runs: number | null,
  ][] = [
    [[null, 50], [null, null], 10, 5],
    [[null, 50], [50, 5], 0, 5],
    [[null, 50], [50, 5], 100, 5],
    [[3, 50], [50, 5], 0, 3],
    [[8, 50], [50, 5], 100, 5],
    [[null, 20], [50, 5], 10, 2],
    [[null, 100], [50, 5], 100, 5],
    [[4, 50], [null, 3], 10, 3],
    [[9, null], [50, 5], 10, 9],
    [[null, null], [50, 5], 10, null],
  ];
  for (const [[concurrentRuns, slotsShare], [shareBefore, runs], knownSlots, fromNow] of cases) {
    const before = { slotsShare: shareBefore, runs };
    assert.equal(runsAtOnceFromNow({ concurrentRuns, slotsShare }, before, knownSlots), fromNow);
  }
});
