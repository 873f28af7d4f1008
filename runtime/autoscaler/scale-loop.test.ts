import assert from "node:assert/strict";
import { test } from "node:test";
import type { Load } from "../../core/store/demand.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import type { Fleet } from "./fleet.ts";
import { createLook, type ScaleParts, startScaleLoop } from "./scale-loop.ts";

const NOTHING: Load = {
  demand: { dueRuns: 0, runningRuns: 0, busySlots: 0, busyLongSlots: 0, waitingCallers: 0, upcomingRuns: 0 },
  workers: [],
};
const due = (dueRuns: number, workers: Load["workers"] = []): Load => ({
  demand: { ...NOTHING.demand, dueRuns },
  workers,
});

/** The loop's parts around a fleet that only counts, a lock and a demand that do what the test says. */
function openParts(given: Partial<ScaleParts> = {}) {
  const clock = createManualClock();
  const world = { load: NOTHING, looks: 0, starting: 0, up: 0, retiring: 0, isLockFree: true, isHeld: false };
  const fleet = {
    counts: () => ({ starting: world.starting, up: world.up, retiring: world.retiring }),
    ids: () => Array.from({ length: world.up }, (_, index) => `own-${index}`),
    isLeaving: () => false,
    msUntilStart: () => 0,
    start(count: number) {
      world.up += count;
    },
    retire(count: number) {
      world.up -= count;
      world.retiring += count;
    },
  } as unknown as Fleet;
  const scaled: [number, number][] = [];
  const failures: unknown[] = [];
  const parts: ScaleParts = {
    collect: async () => {
      world.looks += 1;
      return world.load;
    },
    fleet,
    startLock: {
      async tryTake() {
        world.isHeld ||= world.isLockFree;
        return world.isHeld;
      },
      isHeld: () => world.isHeld,
      async release() {
        world.isHeld = false;
      },
      async close() {},
    },
    limits: { minWorkers: 0, maxWorkers: 4, idleAfterMs: 0 },
    ...{ slots: 10, aheadMs: 2_000, clock },
    on: {
      looked() {},
      scaled: (workers, before) => scaled.push([workers, before]),
      failed: (error) => failures.push(error),
    },
    ...given,
  };
  return { parts, world, scaled, failures, clock };
}

test("a start takes the lock, looks again, and lets the lock go when nobody starts any more", async () => {
  const { parts, world, scaled } = openParts();
  world.load = due(1);
  await createLook(parts)();
  assert.deepEqual([scaled, world.looks, world.isHeld], [[[1, 0]], 2, false]);
});

test("what another autoscaler has started before the lock came is not started again", async () => {
  const { parts, world, scaled } = openParts();
  const loads = [due(1), due(1, [{ id: "other", slots: 10, busy: 0 }])];
  await createLook({ ...parts, collect: async () => loads.shift()! })();
  assert.deepEqual([scaled, world.up], [[], 0]);
});

test("one that starts is not taken for somebody else's where its row is there before its word", async () => {
  const { parts, world, scaled, clock } = openParts();
  const look = createLook(parts);
  await look();
  await clock.advance(60_000);
  Object.assign(world, { starting: 1, load: due(1, [{ id: "new", slots: 10, busy: 0 }]) });
  await look();
  assert.deepEqual([scaled, world.retiring], [[], 0]);
});

test("one that somebody starts by hand is taken for ours until ours has told its id", async () => {
  const { parts, world, clock } = openParts();
  const wanted: number[] = [];
  parts.on.looked = (_load, { workers }) => wanted.push(workers);
  world.isLockFree = false;
  const look = createLook(parts);
  await look();
  const byHand = { id: "by-hand", slots: 10, busy: 0 };
  Object.assign(world, { starting: 1, load: due(20, [byHand]) });
  await look();
  await clock.advance(1_000);
  Object.assign(world, { starting: 0, up: 1, load: due(20, [byHand, { id: "own-0", slots: 10, busy: 0 }]) });
  await look();
  assert.deepEqual(wanted, [0, 3, 2]);
});

test("without the lock nothing starts", async () => {
  const { parts, world, scaled } = openParts();
  world.load = due(100);
  world.isLockFree = false;
  await createLook(parts)();
  assert.deepEqual([scaled, world.up, world.looks], [[], 0, 1]);
});

test("no more retire at once than there may be workers", async () => {
  const { parts, world } = openParts({ limits: { minWorkers: 0, maxWorkers: 2, idleAfterMs: 0 } });
  Object.assign(world, { up: 2, retiring: 2 });
  await createLook(parts)();
  assert.deepEqual([world.up, world.retiring], [2, 2]);
});

test("while the demand cannot be read nothing changes, and it is read again in a second", async () => {
  const { parts, world, failures, clock } = openParts();
  world.up = 2;
  let isAway = true;
  const loop = startScaleLoop({
    ...parts,
    collect: () => (isAway ? Promise.reject(new Error("away")) : parts.collect()),
  });
  await clock.advance(2_500);
  assert.deepEqual([failures.length, world.up], [3, 2]);
  isAway = false;
  await clock.advance(1_000);
  assert.ok(world.up < 2);
  await stop(loop, clock);
});

test("a bell at zero is answered at once; a storm of bells by few looks", async () => {
  const { parts, world, clock } = openParts();
  const loop = startScaleLoop(parts);
  await clock.advance(500);
  world.load = due(1);
  loop.wake();
  await clock.advance(0);
  assert.equal(world.up, 1);
  const before = world.looks;
  for (let ms = 0; ms < 1_000; ms += 1) {
    loop.wake();
    await clock.advance(1);
  }
  assert.ok(world.looks - before <= 6, `${world.looks - before} looks in a second`);
  await stop(loop, clock);
});

test("at zero it looks at least twice as often as instants are to be known ahead", async () => {
  const { parts, world, clock } = openParts({ aheadMs: 500 });
  const loop = startScaleLoop(parts);
  await clock.advance(10_000);
  assert.ok(world.looks >= 40 && world.looks <= 42, String(world.looks));
  await stop(loop, clock);
});

test("at zero, where nothing is wanted, it rests until what is planned wants a worker, five seconds at most", async () => {
  const { parts, world, clock } = openParts({ aheadMs: 500 });
  world.load = { ...NOTHING, restMs: Number.POSITIVE_INFINITY };
  const loop = startScaleLoop(parts);
  await clock.advance(4_999);
  assert.equal(world.looks, 1);
  world.load = { ...NOTHING, restMs: 1_200 };
  await clock.advance(1);
  assert.equal(world.looks, 2);
  world.load = due(1);
  await clock.advance(1_199);
  assert.equal(world.up, 0);
  await clock.advance(1);
  assert.equal(world.up, 1);
  await stop(loop, clock);
});

test("workers that leave are looked at every second, whatever is planned", async () => {
  const { parts, world, clock } = openParts();
  world.load = { ...NOTHING, restMs: Number.POSITIVE_INFINITY };
  world.retiring = 1;
  const loop = startScaleLoop(parts);
  await clock.advance(3_000);
  assert.equal(world.looks, 4);
  await stop(loop, clock);
});

async function stop(loop: ReturnType<typeof startScaleLoop>, clock: ReturnType<typeof createManualClock>) {
  const stopped = loop.stop();
  await clock.advance(0);
  await stopped;
}
