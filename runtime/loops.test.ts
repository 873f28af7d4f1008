import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../test/support/manual-clock.ts";
import { startBusyLoop, startLoops } from "./loops.ts";
import { createSlots } from "./slots.ts";

test("each rests before its passes; after one that failed the next comes after half a second", async () => {
  const clock = createManualClock(new Date(0));
  const passes: [string, number][] = [];
  const errors: unknown[] = [];
  const passing = (name: string, fails: boolean) => () => {
    passes.push([name, clock.now().getTime()]);
    if (fails && clock.now().getTime() < 2_000) throw new Error(name);
  };
  const loops = startLoops(
    clock,
    [
      { everyMs: 1_000, pass: passing("beat", true) },
      { everyMs: 2_000, pass: passing("sweep", false) },
      { everyMs: 200, pass: () => {} },
    ],
    (error) => errors.push((error as Error).message),
  );
  await clock.advance(3_000);
  await loops.stop();
  assert.deepEqual(passes, [
    ["beat", 1_000],
    ["beat", 1_500],
    ["sweep", 2_000],
    ["beat", 2_000],
    ["beat", 3_000],
  ]);
  assert.deepEqual(errors, ["beat", "beat"]);
  assert.equal(clock.sleepers, 0);
});

test("one that begins at once passes before its first rest", async () => {
  const clock = createManualClock(new Date(0));
  const passedAt: number[] = [];
  const pass = () => void passedAt.push(clock.now().getTime());
  const loops = startLoops(clock, [{ everyMs: 1_000, pass, beginsAtOnce: true }], (error) =>
    assert.fail(error as Error),
  );
  await clock.advance(2_000);
  await loops.stop();
  assert.deepEqual(passedAt, [0, 1_000, 2_000]);
});

test("a stop waits for the pass under way and begins no other", async () => {
  const clock = createManualClock(new Date(0));
  let passes = 0;
  const underWay = Promise.withResolvers<void>();
  const pass = () => {
    passes += 1;
    return underWay.promise;
  };
  const loops = startLoops(clock, [{ everyMs: 100, pass }], (error) => assert.fail(error as Error));
  await clock.advance(100);
  let isStopped = false;
  const stopped = loops.stop().then(() => {
    isStopped = true;
  });
  await clock.advance(1_000);
  assert.deepEqual([passes, isStopped], [1, false]);
  underWay.resolve();
  await stopped;
  assert.equal(passes, 1);
});

test("a busy loop comes while slots are taken and until it is done; at rest it sets no timer", async () => {
  const clock = createManualClock(new Date(0));
  const slots = createSlots(2);
  const passes: number[] = [];
  const errors: unknown[] = [];
  const answers: (boolean | Error)[] = [];
  const pass = () => {
    passes.push(clock.now().getTime());
    const answer = answers.shift() ?? false;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const loop = startBusyLoop(clock, slots, { everyMs: 1_000, pass }, (error) => errors.push(error));
  // Of a claim that found nothing.
  slots.take(0);
  await clock.advance(10_000);
  assert.deepEqual([passes, clock.sleepers], [[], 0]);
  slots.take(1);
  slots.take(1);
  await clock.advance(2_500);
  assert.deepEqual(passes.splice(0), [11_000, 12_000]);
  slots.release(2);
  answers.push(true, false);
  await clock.advance(10_000);
  assert.deepEqual([passes.splice(0), clock.sleepers], [[13_000, 14_000], 0]);
  slots.take(1);
  slots.release(1);
  answers.push(new Error("away"));
  await clock.advance(10_000);
  assert.deepEqual([passes.splice(0), errors.length, clock.sleepers], [[23_500, 24_000], 1, 0]);
  slots.take(1);
  await loop.stop();
  assert.equal(clock.sleepers, 0);
});

test("a busy loop comes once more for a slot that was taken and freed during its pass", async () => {
  const clock = createManualClock(new Date(0));
  const slots = createSlots(1);
  const passes: number[] = [];
  const underWay = Promise.withResolvers<boolean>();
  const pass = () => {
    passes.push(clock.now().getTime());
    return passes.length === 1 ? underWay.promise : false;
  };
  const loop = startBusyLoop(clock, slots, { everyMs: 1_000, pass }, (error) => assert.fail(error as Error));
  slots.take(1);
  slots.release(1);
  await clock.advance(1_000);
  slots.take(1);
  slots.release(1);
  await clock.advance(5_000);
  assert.deepEqual(passes, [1_000], "there are never two at once");
  underWay.resolve(false);
  await clock.advance(5_000);
  assert.deepEqual([passes, clock.sleepers], [[1_000, 7_000], 0]);
  await loop.stop();
});
