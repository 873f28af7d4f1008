import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSlotShares } from "./slot-shares.ts";

const call = (namespaceId: string, functionId: string, isPublic: boolean) => ({
  ...{ namespaceId, functionId, isPublic },
});

/** How many of these calls get a slot. */
function takeAll(slots: number, ...calls: ReturnType<typeof call>[]): number[] {
  const shares = createSlotShares(slots);
  return calls.map((each) => {
    let taken = 0;
    while (shares.take(each)) taken += 1;
    return taken;
  });
}

describe("shares of a worker's slots", () => {
  test("anonymous calls of one function hold three quarters, all anonymous calls seven eighths", () => {
    const calls = [call("a", "a1", true), call("a", "a2", true), call("b", "b1", true)];
    assert.deepEqual(takeAll(100, ...calls), [75, 12, 0]);
    assert.deepEqual(takeAll(4, ...calls), [3, 0, 0]);
    assert.deepEqual(takeAll(2, ...calls), [1, 0, 0]);
    assert.deepEqual(takeAll(1, ...calls), [1, 0, 0]);
  });

  test("calls with a key find what anonymous ones left, of one namespace up to seven eighths of all", () => {
    assert.deepEqual(takeAll(100, call("a", "a1", true), call("b", "b1", false)), [75, 25]);
    assert.deepEqual(takeAll(100, call("a", "a1", false), call("b", "b1", false)), [87, 13]);
    assert.deepEqual(takeAll(100, call("a", "a1", true), call("a", "a1", false)), [75, 12]);
  });

  test("what ends makes place", () => {
    const shares = createSlotShares(4);
    const one = call("a", "a1", true);
    for (let n = 0; n < 3; n += 1) assert.equal(shares.take(one), true);
    assert.equal(shares.take(one), false);
    shares.release(one);
    assert.equal(shares.take(one), true);
  });
});
