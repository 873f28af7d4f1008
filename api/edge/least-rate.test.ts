import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { watchRate } from "./least-rate.ts";

function watch(rate = { graceMs: 10_000, bytesPerSecond: 1_000 }) {
  const clock = createManualClock();
  let isSlow = false;
  const watched = watchRate(rate, clock, () => {
    assert.equal(isSlow, false, "said once");
    isSlow = true;
  });
  watched.resume();
  return { clock, watched, isSlow: () => isSlow };
}

describe("a least rate", () => {
  test("who sends nothing is too slow after the grace, not before", async () => {
    const { clock, isSlow } = watch();
    await clock.advance(9_999);
    assert.equal(isSlow(), false);
    await clock.advance(1);
    assert.equal(isSlow(), true);
    assert.equal(clock.sleepers, 0);
  });

  test("who trickles below the rate is too slow, who keeps to it never is", async () => {
    const trickle = watch();
    for (let s = 0; s < 9; s += 1) {
      await trickle.clock.advance(1_000);
      trickle.watched.add(1);
    }
    assert.equal(trickle.isSlow(), false);
    await trickle.clock.advance(2_000);
    assert.equal(trickle.isSlow(), true);
    const steady = watch();
    for (let s = 0; s < 600; s += 1) {
      await steady.clock.advance(1_000);
      steady.watched.add(1_000);
    }
    assert.equal(steady.isSlow(), false);
  });

  test("a burst buys no pause", async () => {
    const { clock, watched, isSlow } = watch();
    await clock.advance(9_000);
    watched.add(10_000_000);
    await clock.advance(9_999);
    assert.equal(isSlow(), false);
    await clock.advance(1);
    assert.equal(isSlow(), true);
  });

  test("while nobody asks for more nobody is slow", async () => {
    const { clock, watched, isSlow } = watch();
    await clock.advance(6_000);
    watched.pause();
    await clock.advance(600_000);
    watched.resume();
    await clock.advance(3_999);
    assert.equal(isSlow(), false);
    await clock.advance(1);
    assert.equal(isSlow(), true);
  });

  test("another rate begins with nothing owed; what is stopped says nothing", async () => {
    const changed = watch();
    await changed.clock.advance(9_999);
    changed.watched.change({ graceMs: 60_000, bytesPerSecond: 1 });
    await changed.clock.advance(59_999);
    assert.equal(changed.isSlow(), false);
    await changed.clock.advance(1);
    assert.equal(changed.isSlow(), true);
    const stopped = watch();
    stopped.watched.stop();
    await stopped.clock.advance(60_000);
    assert.equal(stopped.isSlow(), false);
    assert.equal(stopped.clock.sleepers, 0);
  });
});
