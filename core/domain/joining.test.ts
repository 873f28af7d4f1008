import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertHolds } from "../../test/support/properties.ts";
import { decideDebounced, MAX_COLLECTED_BYTES, MAX_JOIN_WAIT_MS, packInputs } from "./joining.ts";

const at = (ms: number) => new Date(ms);
const due = (openedMs: number, nowMs: number, waitMs: number, maxMs?: number) =>
  decideDebounced(at(openedMs), at(nowMs), { key: "k", waitMs, maxMs }).getTime();

test("a debounced run is due a wait after its last call, and at most its maximum after the first", () => {
  assert.equal(due(0, 0, 5_000, 60_000), 5_000);
  assert.equal(due(0, 4_000, 5_000, 60_000), 9_000);
  assert.equal(due(0, 58_000, 5_000, 60_000), 60_000);
});

test("left out, the maximum is ten waits, a week at most", () => {
  assert.equal(due(0, 49_000, 5_000), 50_000);
  assert.equal(due(0, MAX_JOIN_WAIT_MS - 1, MAX_JOIN_WAIT_MS), MAX_JOIN_WAIT_MS);
});

test("a maximum that has passed by what the last call says makes it due now", () => {
  assert.equal(due(0, 30_000, 1_000, 10_000), 30_000);
});

test("inputs fill the run that is open, and those that follow", () => {
  assert.deepEqual(packInputs(undefined, [1, 1, 1], 2), [
    { count: 2, bytes: 2, isFull: true },
    { count: 1, bytes: 1, isFull: false },
  ]);
  assert.deepEqual(packInputs({ count: 1, bytes: 10 }, [5], 2), [{ count: 2, bytes: 15, isFull: true }]);
});

test("an input that would be too much begins another run, and one that is too long has its own", () => {
  const open = { count: 1, bytes: MAX_COLLECTED_BYTES - 1 };
  assert.deepEqual(packInputs(open, [2, MAX_COLLECTED_BYTES + 1, 1], 10), [
    { ...open, isFull: true },
    { count: 1, bytes: 2, isFull: true },
    { count: 1, bytes: MAX_COLLECTED_BYTES + 1, isFull: true },
    { count: 1, bytes: 1, isFull: false },
  ]);
});

test("whatever comes, each input is in one run, no run is too large, and only the last may be open", () => {
  const long = fc.integer({ min: 1, max: MAX_COLLECTED_BYTES });
  const given = fc.tuple(
    fc.array(fc.oneof(fc.integer({ min: 1, max: 100 }), long), { minLength: 1 }),
    fc.integer({ min: 1, max: 5 }),
  );
  assertHolds(
    fc.property(given, ([bytes, size]) => {
      const runs = packInputs(undefined, bytes, size);
      assert.equal(
        runs.reduce((sum, { count }) => sum + count, 0),
        bytes.length,
      );
      assert.equal(
        runs.reduce((sum, run) => sum + run.bytes, 0),
        bytes.reduce((sum, one) => sum + one, 0),
      );
      for (const [index, run] of runs.entries()) {
        assert.ok(run.count >= 1 && run.count <= size);
        assert.ok(run.bytes <= MAX_COLLECTED_BYTES);
        assert.ok(index === runs.length - 1 ? run.isFull === (run.count === size) : run.isFull);
      }
    }),
    500,
  );
});
