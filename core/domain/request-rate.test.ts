import assert from "node:assert/strict";
import { test } from "node:test";
import { takeRequest } from "./request-rate.ts";

const RATE = { limit: 3, perMs: 1_000 };

/** Takes one at each instant; which are taken. */
function takeAt(instants: number[], rate = RATE): boolean[] {
  let fullAtMs: number | undefined;
  return instants.map((nowMs) => {
    const taken = takeRequest(rate, fullAtMs, nowMs);
    fullAtMs = taken.fullAtMs;
    return taken.isTaken;
  });
}

test("so many go at once, and then one each time that one has come in", () => {
  assert.deepEqual(takeAt([0, 0, 0, 0]), [true, true, true, false]);
  assert.deepEqual(takeAt([0, 0, 0, 333, 334, 335, 667]), [true, true, true, false, true, false, true]);
  assert.deepEqual(takeAt([0, 0, 0, 5_000, 5_000, 5_000, 5_000]), [
    true,
    true,
    true,
    true,
    true,
    true,
    false,
  ]);
});

test("it says how many are left, and when there is one more", () => {
  const first = takeRequest(RATE, undefined, 0);
  assert.deepEqual([first.remaining, Math.ceil(first.nextInMs)], [2, 334]);
  const third = takeRequest(RATE, takeRequest(RATE, first.fullAtMs, 0).fullAtMs, 0);
  assert.deepEqual([third.remaining, Math.ceil(third.nextInMs)], [0, 334]);
  const refused = takeRequest(RATE, third.fullAtMs, 100);
  assert.deepEqual([refused.isTaken, refused.remaining, Math.ceil(refused.nextInMs)], [false, 0, 234]);
  assert.equal(takeRequest(RATE, refused.fullAtMs, 334).isTaken, true);
});

test("in any window no more are taken than a full bucket and what comes in", () => {
  for (const rate of [RATE, { limit: 7, perMs: 1_000 }, { limit: 1, perMs: 60_000 }]) {
    const instants = Array.from({ length: 5_000 }, (_, index) => index * 3);
    const taken = takeAt(instants, rate).filter(Boolean).length;
    const least = rate.limit + Math.floor((4_999 * 3 * rate.limit) / rate.perMs);
    assert.ok(taken === least || taken === least - 1, `${taken} of ${least}`);
  }
});

test("a rate that was made smaller or greater holds from the next request on", () => {
  const full = takeRequest({ limit: 1, perMs: 60_000 }, undefined, 0).fullAtMs;
  assert.equal(takeRequest(RATE, full, 0).isTaken, false);
  assert.equal(takeRequest(RATE, full, 400).isTaken, false);
  assert.equal(takeRequest(RATE, takeRequest(RATE, full, 0).fullAtMs, 334).isTaken, true);
});
