import assert from "node:assert/strict";
import { test } from "node:test";
import { steadyClock, systemClock } from "./clock.ts";

test("the steady clock goes on where the machine's is put back", (t) => {
  const before = steadyClock.now().getTime();
  assert.ok(Math.abs(before - systemClock.now().getTime()) < 60_000);
  t.mock.timers.enable({ apis: ["Date"], now: before - 3_600_000 });
  assert.ok(systemClock.now().getTime() < before);
  assert.ok(steadyClock.now().getTime() >= before);
});
