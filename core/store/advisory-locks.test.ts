import assert from "node:assert/strict";
import { test } from "node:test";
import { ADVISORY_LOCKS } from "./advisory-locks.ts";

test("no two locks are one", () => {
  const keys = Object.values(ADVISORY_LOCKS).map(BigInt);
  assert.equal(new Set(keys).size, keys.length);
});
