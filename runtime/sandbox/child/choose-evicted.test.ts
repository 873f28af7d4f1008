import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chooseEvicted, type Idle } from "./choose-evicted.ts";

const used = (uses: number, atMs = 0) => ({ uses, atMs });
const idle = (name: string, uses: number, { costMs = 5, bytes = 10 } = {}) => ({
  name,
  ...{ score: used(uses), costMs, bytes },
});
const names = (isolates: (Idle & { name: string })[]) => isolates.map(({ name }) => name);
const evictedOf = (isolates: (Idle & { name: string })[], excessBytes: number, trialBytes = 0) =>
  names(chooseEvicted(isolates, excessBytes, trialBytes, 0));

describe("where there is no room for all", () => {
  test("nobody goes while there is", () => {
    assert.deepEqual(evictedOf([idle("a", 1)], 0), []);
  });

  test("who is wanted least goes first, as many as hold the excess", () => {
    const all = [idle("rare", 1), idle("often", 9), idle("sometimes", 4), idle("latest", 0)];
    assert.deepEqual(evictedOf(all, 1), ["rare"]);
    assert.deepEqual(evictedOf(all, 11), ["rare", "sometimes"]);
    assert.deepEqual(evictedOf(all, 99), ["rare", "sometimes", "often", "latest"]);
  });

  test("who is slow to replace stays, and who holds much goes", () => {
    const slow = idle("slow", 1, { costMs: 50 });
    const large = idle("large", 4, { bytes: 100 });
    assert.deepEqual(evictedOf([slow, large, idle("usual", 2), idle("latest", 0)], 101), ["large", "usual"]);
  });

  test("what was used long ago counts less", () => {
    const before = { ...idle("before", 0), score: used(100, 0) };
    const lately = { ...idle("lately", 0), score: used(10, 600_000) };
    assert.deepEqual(names(chooseEvicted([lately, before, idle("latest", 0)], 1, 0, 600_000)), ["before"]);
  });

  test("the latest are on trial, as far as they hold their share and no further", () => {
    const all = [idle("old", 9), idle("new", 0), idle("newer", 0), idle("newest", 0)];
    assert.deepEqual(evictedOf(all, 1, 30), ["old"]);
    assert.deepEqual(evictedOf(all, 1, 29), ["new"]);
    assert.deepEqual(evictedOf(all, 1, 0), ["newer"], "of equals the one that came last");
  });
});
