import assert from "node:assert/strict";
import { test } from "node:test";
import { decideScale, type FleetView, msUntilIdle, type ScaleState, startScaling } from "./decide-scale.ts";

const SLOTS = 100;
const limits = { minWorkers: 0, maxWorkers: 10, idleAfterMs: 30_000 };
const START = new Date(Date.UTC(2026, 0, 1));
const after = (ms: number) => new Date(START.getTime() + ms);
/** Decided long enough ago for every step to be allowed. */
const before = startScaling(START.getTime() - 2_000);

/** A demand that has been the same for a minute, unless said otherwise. */
function level(runs: number, more: { recent?: number; busiest?: number; running?: number } = {}) {
  return { latest: runs, recent: runs, busiest: runs, running: Math.min(runs, SLOTS), ...more };
}

function fleetOf(own: number, others = 0): FleetView {
  const other = Array.from({ length: others }, () => ({ isOwn: false, slots: SLOTS }));
  return {
    workers: [...other, ...Array.from({ length: own }, () => ({ isOwn: true, slots: SLOTS }))],
    slots: SLOTS,
  };
}

const decide = (
  reading: ReturnType<typeof level>,
  own: number,
  { now = START, state = before, fleet = fleetOf(own), within = limits } = {},
) => decideScale(now, reading, fleet, within, state);

test("at zero until something waits", () => {
  assert.deepEqual([decide(level(0), 0).workers, decide(level(0), 0).mode], [0, "zero"]);
  // The windows know nothing of it yet.
  assert.equal(decide(level(1, { recent: 0, busiest: 0 }), 0).workers, 1);
});

test("from zero a burst gets all its workers at once, up to the most", () => {
  assert.equal(decide(level(350, { recent: 0, busiest: 0 }), 0).workers, 5);
  assert.equal(decide(level(100_000, { recent: 0, busiest: 0 }), 0).workers, 10);
});

test("more work than slots is answered at once; what has its slots, by the average of six seconds", () => {
  const more = decide(level(210, { recent: 70, busiest: 70 }), 2);
  assert.deepEqual([more.workers, more.mode], [3, "panic"]);
  const fits = decide(level(180, { recent: 70, busiest: 70 }), 2);
  assert.deepEqual([fits.workers, fits.mode], [2, "calm"]);
  assert.equal(decide(level(180), 2).workers, 3);
});

test("a burst that is over starts nobody, though the average still shows it", () => {
  assert.equal(decide(level(10, { recent: 300, busiest: 300 }), 2).workers, 2);
  assert.equal(decide(level(0, { recent: 300, busiest: 300 }), 0).workers, 0);
});

test("down at most by half, once a second, and the last one not before the grace is over", () => {
  let { workers, state } = decide(level(1), 8);
  assert.equal(workers, 4);
  ({ workers, state } = decide(level(1), 4, { state, now: after(400) }));
  assert.equal(workers, 4, "too soon after the last step");
  ({ workers, state } = decide(level(1), 4, { state, now: after(1_000) }));
  assert.equal(workers, 2);
  ({ workers, state } = decide(level(0), 2, { state, now: after(2_000) }));
  assert.equal(workers, 1);
  ({ workers, state } = decide(level(0), 1, { state, now: after(30_999) }));
  assert.equal(workers, 1);
  ({ workers, state } = decide(level(0), 1, { state, now: after(31_000) }));
  assert.equal(workers, 0, "thirty seconds after there was last anything");
});

test("three go down to two, not to one", () => {
  assert.equal(decide(level(1), 3).workers, 2);
});

test("who is here stays while the busiest moment of the last minute would need them", () => {
  assert.equal(decide(level(10, { busiest: 500 }), 8).workers, 8);
  assert.equal(decide(level(10, { busiest: 400 }), 8).workers, 6);
  assert.equal(decide(level(10, { busiest: 900 }), 2).workers, 2, "nobody is started for the past");
});

test("panic lasts a minute beyond its last sign, and nothing goes down in it", () => {
  const sign = decide(level(900, { recent: 0, busiest: 0 }), 1);
  assert.deepEqual([sign.workers, sign.mode], [10, "panic"]);
  const held = decide(level(1), 10, { state: sign.state, now: after(59_999) });
  assert.deepEqual([held.workers, held.mode], [10, "panic"]);
  const over = decide(level(1), 10, { state: held.state, now: after(60_000) });
  assert.deepEqual([over.workers, over.mode], [5, "calm"]);
});

test("the grace ends a panic and overrides the windows: it may be shorter than they are", () => {
  const within = { ...limits, idleAfterMs: 500 };
  const sign = decide(level(900, { recent: 0, busiest: 0 }), 1, { within });
  const early = decide(level(0, { busiest: 900 }), 1, { within, state: sign.state, now: after(499) });
  assert.equal(early.workers, 1);
  const late = decide(level(0, { busiest: 900 }), 1, { within, state: early.state, now: after(2_500) });
  assert.deepEqual([late.workers, late.state.panicAtMs], [0, null]);
});

test("without a grace the last worker stays while there is anything, and goes as soon as there is not", () => {
  const within = { ...limits, idleAfterMs: 0 };
  assert.equal(decide(level(1, { recent: 0, busiest: 0, running: 0 }), 1, { within }).workers, 1);
  assert.equal(decide(level(0, { recent: 1, busiest: 1 }), 1, { within }).workers, 0);
});

test("never fewer workers than the running runs need slots", () => {
  const running = { recent: 0, busiest: 0, running: 350 };
  assert.equal(decide(level(0, running), 8).workers, 4);
  assert.equal(decide(level(0, running), 4, { now: after(60_000) }).workers, 4);
});

test("the least and the most are kept", () => {
  const within = { minWorkers: 2, maxWorkers: 3, idleAfterMs: 0 };
  assert.equal(decide(level(0), 0, { within }).workers, 2);
  assert.equal(decide(level(0), 2, { within }).workers, 2);
  assert.equal(decide(level(10_000), 2, { within }).workers, 3);
});

test("workers that others started fill first where they are older, and count before any is started", () => {
  assert.equal(decide(level(70), 0, { fleet: fleetOf(0, 1) }).workers, 0);
  assert.equal(decide(level(150), 0, { fleet: fleetOf(0, 1) }).workers, 2, "80 runs are left for us");
  const idle: ScaleState = { ...before, busyAtMs: START.getTime() - 30_000 };
  assert.equal(
    decide(level(50), 1, { fleet: fleetOf(1, 1), state: idle }).workers,
    0,
    "the older one suffices",
  );
  const older = { workers: [...fleetOf(1).workers, ...fleetOf(0, 1).workers], slots: SLOTS };
  assert.equal(decide(level(50), 1, { fleet: older, state: idle }).workers, 1, "ours is the older one");
});

test("a worker with one slot takes one run", () => {
  const fleet = { workers: [], slots: 1 };
  assert.equal(decide({ latest: 4, recent: 0, busiest: 0, running: 0 }, 0, { fleet }).workers, 4);
});

test("the wait for the end of the grace is told, and no wait when it is over", () => {
  assert.equal(msUntilIdle(after(10_000), limits, startScaling(START.getTime())), 20_000);
  assert.equal(msUntilIdle(after(30_000), limits, startScaling(START.getTime())), null);
});
