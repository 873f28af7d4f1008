import assert from "node:assert/strict";
import { test } from "node:test";
import { SearchTurns } from "./search-turns.ts";

test("a search gives way every 10 ms, and is spent by its own turns alone", async () => {
  let nowMs = 1_000;
  const turns = new SearchTurns(25, () => nowMs);
  for (const [tookMs, isSpent] of [
    [10, false],
    [14, false],
    [11, true],
  ] as const) {
    nowMs += tookMs - 1;
    assert.equal(turns.isTurnOver, tookMs > 10);
    nowMs += 1;
    assert.equal(turns.isTurnOver, true);
    let othersCame = false;
    setImmediate(() => {
      othersCame = true;
      nowMs += 500;
    });
    await turns.giveWay();
    assert.deepEqual([othersCame, turns.isSpent, turns.isTurnOver], [true, isSpent, false]);
  }
});

test("a search without a bound is never spent", async () => {
  let nowMs = 0;
  const turns = new SearchTurns(undefined, () => nowMs);
  nowMs += 3_600_000;
  await turns.giveWay();
  assert.equal(turns.isSpent, false);
});
