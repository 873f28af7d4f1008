import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteLru } from "./byte-lru.ts";

test("the least recently used go when the bytes run out", () => {
  const lru = new ByteLru<string>(10);
  assert.deepEqual(lru.set("a", "A", 4), []);
  assert.deepEqual(lru.set("b", "B", 4), []);
  assert.equal(lru.get("a"), "A");
  assert.deepEqual(lru.set("c", "C", 4), ["b"]);
  assert.equal(lru.get("b"), undefined);
  assert.deepEqual(lru.set("a", "A2", 6), []);
  assert.deepEqual(lru.set("huge", "H", 100), ["c", "a"]);
  assert.equal(lru.get("huge"), "H");
});
