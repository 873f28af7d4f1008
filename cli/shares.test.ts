import assert from "node:assert/strict";
import { test } from "node:test";
import { giveShare } from "./shares.ts";

test("the others keep what is left, in their proportions", () => {
  assert.deepEqual(giveShare({ a: 100 }, "b", 10), { b: 10, a: 90 });
  assert.deepEqual(giveShare({ a: 60, b: 40 }, "c", 50), { c: 50, a: 30, b: 20 });
  assert.deepEqual(giveShare({ a: 90, b: 10 }, "b", 50), { b: 50, a: 50 });
  assert.deepEqual(giveShare({ a: 99, b: 1 }, "c", 99), { c: 99, a: 1 });
});

test("a function without other revisions gives all of it", () => {
  assert.deepEqual(giveShare({}, "a", 10), { a: 100 });
  assert.deepEqual(giveShare({ a: 100 }, "a", 10), { a: 100 });
});

test("the shares make 100, whatever they were", () => {
  for (let percent = 1; percent < 100; percent += 1)
    for (const before of [
      { a: 34, b: 33, c: 33 },
      { a: 1, b: 99 },
      { a: 10, b: 20, c: 30, d: 40 },
    ]) {
      const shares = Object.values(giveShare(before, "new", percent));
      assert.equal(
        shares.reduce((sum, share) => sum + share, 0),
        100,
        JSON.stringify({ before, percent }),
      );
    }
});
