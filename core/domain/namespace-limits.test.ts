import assert from "node:assert/strict";
import { test } from "node:test";
import { runsAtOnce } from "./namespace-limits.ts";

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
