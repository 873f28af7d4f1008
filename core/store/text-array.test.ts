import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { openTestStore } from "./testing/test-store.ts";
import { toTextArray } from "./text-array.ts";

const { store } = await openTestStore(createTestDatabase);

for (const texts of [
  [],
  [""],
  ['{"a":"\\"b\\\\"}', "NULL", "two, words", "ä€😀"],
  ["x".repeat(100_000), "y"],
  [null, "", null, "null"],
]) {
  test(`texts arrive as they are: ${JSON.stringify(texts).slice(0, 40)}`, async () => {
    const { rows } = await store.pool.query("SELECT $1::text[] AS texts", [toTextArray(texts)]);
    assert.deepEqual(rows, [{ texts }]);
  });
}
