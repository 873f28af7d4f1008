import assert from "node:assert/strict";
import { test } from "node:test";
import { createWaits } from "./waits.ts";

test("the longest wait is that of who came first and still waits", () => {
  let nowMs = 1_000;
  const waits = createWaits(() => nowMs);
  assert.equal(waits.longestMs(), 0);
  const endFirst = waits.begin();
  nowMs += 300;
  const endSecond = waits.begin();
  nowMs += 200;
  assert.equal(waits.longestMs(), 500);
  endFirst();
  assert.equal(waits.longestMs(), 200);
  endFirst();
  endSecond();
  assert.equal(waits.longestMs(), 0);
});
