import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { toInstant, toInstantArray, toIntArray, toJsonbArray, toTextArray } from "./binary-array.ts";
import { openTestStore } from "./testing/test-store.ts";

const { store } = await openTestStore(createTestDatabase);

for (const texts of [
  [],
  [""],
  ['{"a":"\\"b\\\\"}', "NULL", "two, words", "ä€😀"],
  ["x".repeat(100_000), "y"],
  ["€".repeat(4_096), "€".repeat(4_097), "y"],
  [null, "", null, "null"],
]) {
  test(`texts arrive as they are: ${JSON.stringify(texts).slice(0, 40)}`, async () => {
    const { rows } = await store.pool.query("SELECT $1::text[] AS texts", [toTextArray(texts)]);
    assert.deepEqual(rows, [{ texts }]);
  });
}

test("so do numbers, JSON and instants, and what is null", async () => {
  const json = ['{"a": ["\\"b", 1.0]}', "null", null, '"ä😀"'];
  const dates = ["2026-03-02T10:00:00.123Z", "1999-12-31T23:59:59.999Z", "9999-12-31T00:00:00.000Z"];
  const { rows } = await store.pool.query(
    "SELECT $1::int[] AS numbers, to_json($2::jsonb[]) AS json, $3::timestamptz[]::text[] AS instants",
    [
      toIntArray([1, null, -2_147_483_648]),
      toJsonbArray(json),
      toInstantArray([...dates.map((date) => toInstant(new Date(date))), null]),
    ],
  );
  const [{ numbers, json: values, instants }] = rows;
  assert.deepEqual(numbers, [1, null, -2_147_483_648]);
  assert.deepEqual(
    values,
    json.map((text) => (text === null ? null : JSON.parse(text))),
  );
  assert.deepEqual(
    instants.map((text: string | null) => text && new Date(text).toISOString()),
    [...dates, null],
  );
  assert.throws(() => toInstant(new Date(Number.NaN)), RangeError);
});
