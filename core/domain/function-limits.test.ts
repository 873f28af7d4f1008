import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_FUNCTION_LIMITS, effectiveLimits, type FunctionLimitCaps } from "./function-limits.ts";

const caps: FunctionLimitCaps = {
  memoryMb: 512,
  cpuMs: 300_000,
  wallMs: 900_000,
  concurrency: 1_000,
  logLines: 1_000,
  resultBytes: 1_000_000,
  subrequests: 1_000,
};

test("where nothing was asked the defaults hold, and no limit on concurrency", () => {
  assert.deepEqual(effectiveLimits({}, caps), DEFAULT_FUNCTION_LIMITS);
  assert.equal(effectiveLimits({}, caps).concurrency, null);
});

test("what was asked holds, the rest stays as it was", () => {
  const asked = { memoryMb: 256, concurrency: 2, logLines: 0 };
  assert.deepEqual(effectiveLimits(asked, caps), { ...DEFAULT_FUNCTION_LIMITS, ...asked });
});

test("a cap lowers what was asked and what is default alike, but for concurrency, which claims hold as asked", () => {
  const low: FunctionLimitCaps = { ...caps, memoryMb: 64, cpuMs: 1_000, concurrency: 5, subrequests: 0 };
  const limits = effectiveLimits({ cpuMs: 2_000, concurrency: 9 }, low);
  assert.deepEqual(
    [limits.memoryMb, limits.cpuMs, limits.concurrency, limits.subrequests, limits.wallMs],
    [64, 1_000, 9, 0, 900_000],
  );
});
