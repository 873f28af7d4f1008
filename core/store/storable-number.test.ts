/** What is taken for a number that jsonb does not store is what PostgreSQL refuses, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { hasUnstorableNumber } from "../storable-number.ts";
import { openTestStore } from "./testing/test-store.ts";

const { store } = await openTestStore(createTestDatabase);

const NUMBERS = [
  ...["0", "-0", "1.5e10", "1E+2", "12345678901234567890.10", "1e308", "1e-400", "1e9999"],
  ...["1e131071", "1e131072", "-9.99e131071", "10e131071", "0.1e131072", "0.01e131073", "0.001e131075"],
  ...["1e-16383", "1e-16384", "1.0e-16382", "1.0e-16383", "0e-16383", "0e-16384", "-0E-99999"],
  ...["1e0000000000001", "1e-0000000000001", "0e131072", "0e999999", "0.000e999999", "1e999999", "1E+999999"],
  ...["0e1073741822", "0e99999999999999999999", "1e99999999999999999999", "1e-1073741823"],
  ...["9".repeat(131_072), "9".repeat(131_073), `0.${"0".repeat(16_383)}`, `0.${"0".repeat(16_384)}`],
  ...[`1.${"5".repeat(16_384)}e1`, `1.${"5".repeat(16_384)}e-1`, `0.${"0".repeat(9_000)}1e140000`],
];
const TEXTS = [
  '"1e999999"',
  '{"1e999999":"\\"1e999999","a":[1e10000,"\\\\"]}',
  '["\\\\",1e999999,"a"]',
  '{"a":{"b":[1,2,-1e999999]}}',
  '{"a\\"b":1e-99999}',
  `["${"9".repeat(200_000)}"]`,
];

test("what jsonb does not store is refused, and nothing else", async () => {
  for (const text of [...NUMBERS, ...NUMBERS.map((number) => `{"a":[${number},"b"]}`), ...TEXTS]) {
    const code = await store.pool.query("SELECT $1::jsonb", [text]).then(
      () => undefined,
      (error) => error.code,
    );
    const refusal = hasUnstorableNumber(text) ? "22003" : undefined;
    assert.equal(code, refusal, `${text.slice(0, 40)} (${text.length} characters)`);
  }
});
