import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createLoopRest, startLoop } from "./loop-rest.ts";

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

test("a loop rests for as long as its look answers, and after a failed one for as long as it is told", async () => {
  const clock = createManualClock();
  const answers = [async () => 300, () => Promise.reject(new Error("away")), async () => 1_000];
  const failures: string[] = [];
  let looks = 0;
  const loop = startLoop(clock, () => answers[looks++]!(), {
    retryMs: 500,
    failed: (error) => failures.push((error as Error).message),
  });
  await clock.waitForSleepers(1);
  await clock.advance(299);
  assert.equal(looks, 1);
  await clock.advance(1);
  await clock.waitForSleepers(1);
  assert.deepEqual([looks, failures], [2, ["away"]]);
  await clock.advance(500);
  await clock.waitForSleepers(1);
  assert.equal(looks, 3);
  await loop.stop();
});

test("for a while after each look nothing wakes a loop that is to be quiet; what would have is heard then", async () => {
  const clock = createManualClock();
  let looks = 0;
  const look = async () => {
    looks += 1;
    return 1_000;
  };
  const loop = startLoop(clock, look, { retryMs: 500, failed: assert.fail, quietMs: () => 200 });
  await clock.waitForSleepers(1);
  loop.wake();
  await clock.advance(199);
  assert.equal(looks, 1);
  await clock.advance(1);
  await clock.waitForSleepers(1);
  assert.equal(looks, 2);
  await loop.stop();
});
