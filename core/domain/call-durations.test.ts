import assert from "node:assert/strict";
import { test } from "node:test";
import { authorTimeoutMs, callDurations, fitWallMs } from "./call-durations.ts";
import { DEFAULT_FUNCTION_LIMITS } from "./function-limits.ts";

const caps = { ...DEFAULT_FUNCTION_LIMITS, concurrency: 1_000, wallMs: 60_000 };

test("a function has all of its time: its attempt has more, and its caller waits longer still", () => {
  const { wallMs, attemptMs, waitMs } = callDurations({ wallMs: 7_000 }, caps);
  assert.deepEqual([wallMs, attemptMs, waitMs], [7_000, 7_100, 37_100]);
  for (const takenToStartMs of [0, 50]) assert.equal(fitWallMs(wallMs, attemptMs - takenToStartMs), wallMs);
});

test("the operator's cap lowers all three", () => {
  assert.deepEqual(callDurations({ wallMs: 900_000 }, caps), {
    ...{ wallMs: 60_000, attemptMs: 60_100, waitMs: 90_100 },
  });
});

test("what an attempt has left is the function's, less a head start; of very little it is half", () => {
  assert.equal(fitWallMs(900_000, 30_000), 29_950);
  assert.equal(fitWallMs(900_000, 40), 20);
  assert.equal(fitWallMs(900_000, -5), 1);
});

test("messages name what an author has set: a task's timeout, a function's time", () => {
  const { attemptMs } = callDurations({ wallMs: 30_000 }, caps);
  assert.equal(authorTimeoutMs({ taskId: null, trigger: "invoke" }, { timeoutMs: attemptMs }), 30_000);
  assert.equal(authorTimeoutMs({ taskId: "a task", trigger: "schedule" }, { timeoutMs: 30_000 }), 30_000);
  assert.equal(authorTimeoutMs({ taskId: null, trigger: "callback" }, { timeoutMs: 30_000 }), 30_000);
});
