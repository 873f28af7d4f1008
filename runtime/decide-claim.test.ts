import assert from "node:assert/strict";
import { test } from "node:test";
import { CLAIM_BATCH, chooseServed, decideClaim } from "./decide-claim.ts";

const view = { bells: 0, freeSlots: 10, searchOverdueMs: null, bellsAreHints: true };

test("without a free slot, or anything that rang or is to be searched for, nothing is claimed", () => {
  assert.equal(decideClaim(view), undefined);
  for (const bellsAreHints of [true, false])
    assert.equal(decideClaim({ bells: 5, freeSlots: 0, searchOverdueMs: 0, bellsAreHints }), undefined);
});

test("bells that all find a slot are answered by the runs they name", () => {
  assert.deepEqual(decideClaim({ ...view, bells: 10 }), { from: "bells", count: 10 });
});

test("one bell more than slots, or a search for all that is due, and the best of the table are claimed", () => {
  const best = { from: "table", count: 10, overdueMs: 0 };
  assert.deepEqual(decideClaim({ ...view, bells: 11 }), best);
  assert.deepEqual(decideClaim({ ...view, bells: 11, searchOverdueMs: 1_000 }), best);
  assert.deepEqual(decideClaim({ ...view, bells: 1, searchOverdueMs: 0 }), best);
});

test("a search that is wanted comes before the bells, whatever lane they are of", () => {
  for (const bellsAreHints of [true, false])
    for (const [bells, searchOverdueMs] of [
      [0, 0],
      [0, 100],
      [1, 1_000],
      [10, 1_000],
    ] as const)
      assert.deepEqual(decideClaim({ ...view, bellsAreHints, bells, searchOverdueMs }), {
        ...{ from: "table", count: 10, overdueMs: searchOverdueMs },
      });
});

test("bells that are no hints are answered by the runs they name, however many they are", () => {
  const long = { ...view, bellsAreHints: false };
  assert.deepEqual(decideClaim({ ...long, bells: 11 }), { from: "bells", count: 10 });
});

test("no claim asks for more than a batch", () => {
  const freeSlots = CLAIM_BATCH + 1;
  for (const bells of [0, freeSlots, freeSlots + 1])
    assert.equal(decideClaim({ ...view, bells, freeSlots, searchOverdueMs: 1_000 })?.count, CLAIM_BATCH);
});

test("a run that was found uses up its own bell, or the one that has waited longest, or none where none waits", () => {
  const bells = ["a", "b", "c", "d"].map((runId) => ({ runId }));
  const served = (ids: string[], found: number) =>
    chooseServed(
      bells,
      ids.map((id) => ({ id })),
      found,
    ).map(({ runId }) => runId);
  assert.deepEqual(served(["c"], 1), ["c"]);
  assert.deepEqual(served(["x", "c"], 2), ["c", "a"]);
  assert.deepEqual(served([], 2), ["a", "b"], "found, and waiting for room");
  assert.deepEqual(served(["x", "y", "z", "d", "u", "v"], 6), ["d", "a", "b", "c"]);
});
