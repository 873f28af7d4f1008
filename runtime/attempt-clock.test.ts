import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../test/support/manual-clock.ts";
import { type AttemptTimes, roomWaitMs, startAttemptClock } from "./attempt-clock.ts";

function start(times: Partial<AttemptTimes> = {}) {
  const clock = createManualClock();
  const over: string[] = [];
  const time = startAttemptClock(clock, { timeoutMs: 5_000, leftMs: null, ...times }, (what) =>
    over.push(what),
  );
  const leftMs = () => time.deadlineAt.getTime() - clock.now().getTime();
  return { clock, time, over, leftMs };
}

test("an attempt is over after its timeout, or at its run's deadline", async () => {
  const { clock, over, leftMs } = start();
  await clock.advance(4_999);
  assert.deepEqual([over, leftMs()], [[], 1]);
  await clock.advance(1);
  assert.deepEqual(over, ["timeout"]);
  const cut = start({ leftMs: 1_000 });
  assert.equal(cut.leftMs(), 1_000);
  await cut.clock.advance(1_000);
  assert.deepEqual(cut.over, ["timeout"]);
});

test("what it waits for room is none of its time: it has all of that once it begins", async () => {
  const { clock, time, over, leftMs } = start();
  await clock.advance(100);
  time.hold();
  await clock.advance(20_000);
  assert.equal(leftMs(), 5_000);
  time.begin();
  await clock.advance(4_999);
  assert.deepEqual([over, leftMs()], [[], 1]);
  await clock.advance(1);
  assert.deepEqual(over, ["timeout"]);
});

test("the wait is bounded, and the run's deadline goes on in it and after it", async () => {
  const { clock, time, over } = start();
  time.hold();
  await clock.advance(roomWaitMs(5_000) - 1);
  assert.deepEqual(over, []);
  await clock.advance(1);
  assert.deepEqual(over, ["no_room"]);

  const long = start({ timeoutMs: 900_000 });
  long.time.hold();
  await long.clock.advance(899_999);
  assert.deepEqual(long.over, [], "those before it may take as long as it may itself");

  const waits = start({ leftMs: 8_000 });
  waits.time.hold();
  await waits.clock.advance(8_000);
  assert.deepEqual(waits.over, ["timeout"]);

  const begins = start({ leftMs: 8_000 });
  begins.time.hold();
  await begins.clock.advance(6_000);
  assert.equal(begins.leftMs(), 2_000);
  begins.time.begin();
  await begins.clock.advance(2_000);
  assert.deepEqual(begins.over, ["timeout"]);
});

test("one that has ended does not begin, and leaves no timer", () => {
  const { clock, time } = start();
  time.hold();
  time.end();
  time.begin();
  assert.equal(clock.sleepers, 0);
});
