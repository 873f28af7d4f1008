import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "./manual-clock.ts";

test("sleepers wake in the order of their instants, each seeing its own", async () => {
  const clock = createManualClock(new Date(1_000));
  const woken: [string, number][] = [];
  const sleep = async (name: string, ms: number) => {
    await clock.sleep(ms);
    woken.push([name, clock.now().getTime()]);
  };
  const all = [sleep("third", 30), sleep("first", 10), sleep("second", 10)];
  await clock.advance(9);
  assert.deepEqual(woken, []);
  await clock.advance(21);
  await Promise.all(all);
  assert.deepEqual(woken, [
    ["first", 1_010],
    ["second", 1_010],
    ["third", 1_030],
  ]);
  assert.equal(clock.now().getTime(), 1_030);
});

test("a loop that sleeps again is woken within the same span", async () => {
  const clock = createManualClock(new Date(0));
  const ticks: number[] = [];
  const stop = new AbortController();
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await clock.sleep(10, stop.signal);
      ticks.push(clock.now().getTime());
    }
  })();
  await clock.advance(35);
  assert.deepEqual(ticks, [10, 20, 30]);
  stop.abort();
  await loop;
  assert.equal(clock.sleepers, 0);
});

test("waiting for sleepers resolves when they lie down; an aborted sleep does not count", async () => {
  const clock = createManualClock();
  await clock.sleep(10, AbortSignal.abort());
  const bothAsleep = clock.waitForSleepers(2);
  void clock.sleep(10);
  assert.equal(clock.sleepers, 1);
  void clock.sleep(20);
  await bothAsleep;
  await clock.waitForSleepers(1);
  await clock.advance(20);
  assert.equal(clock.sleepers, 0);
});
