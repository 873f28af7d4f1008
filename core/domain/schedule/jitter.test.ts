import assert from "node:assert/strict";
import { test } from "node:test";
import { jitterOffsetMs } from "./jitter.ts";

const ID = "01a20a22-ed46-778f-b69a-117fc6f8a959";

test("an offset is the task's own, within the window, and the same each time", () => {
  const schedule = { kind: "every", everyMs: 60_000, jitterMs: 300_000 } as const;
  const offsetMs = jitterOffsetMs(schedule, ID);
  assert.ok(Number.isInteger(offsetMs) && offsetMs >= 0 && offsetMs < 300_000);
  assert.equal(jitterOffsetMs(schedule, ID), offsetMs);
  assert.equal(jitterOffsetMs({ ...schedule, everyMs: 1_000 }, ID), offsetMs);
  assert.equal(jitterOffsetMs({ kind: "every", everyMs: 60_000 }, ID), 0);
  assert.equal(jitterOffsetMs({ kind: "now" }, ID), 0);
});
