import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createLoopRest } from "./loop-rest.ts";

test("a rest ends after its time, or when the loop is woken", async () => {
  const clock = createManualClock();
  const loop = createLoopRest(clock);
  loop.look();
  const whole = loop.rest(1_000);
  await clock.advance(1_000);
  await whole;
  loop.look();
  const cut = loop.rest(1_000);
  loop.wake();
  await cut;
  assert.equal(clock.sleepers, 0);
});

test("what wakes a loop that looks cuts its next rest short, and only that one", async () => {
  const clock = createManualClock();
  const loop = createLoopRest(clock);
  loop.look();
  loop.wake();
  await loop.rest(1_000);
  loop.look();
  const whole = loop.rest(1_000);
  await clock.waitForSleepers(1);
  await clock.advance(1_000);
  await whole;
});

test("a stopped loop rests no more", async () => {
  const clock = createManualClock();
  const loop = createLoopRest(clock);
  loop.look();
  const cut = loop.rest(1_000);
  loop.stop();
  await cut;
  loop.look();
  await loop.rest(1_000);
  assert.ok(loop.stopped.aborted);
});
