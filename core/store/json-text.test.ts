import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import type { Json } from "../json.ts";
import { JsonSource } from "../json-source.ts";
import { toJsonText, toStorableJson } from "./json-text.ts";
import { openTestStore } from "./testing/test-store.ts";

const { store } = await openTestStore(createTestDatabase);
const NUL = String.fromCharCode(0);
const LONE = String.fromCharCode(0xd83d);
const LOW = String.fromCharCode(0xde00);
const BACKSLASH = "\\";

/** What jsonb gives back. */
async function roundTrip(value: unknown): Promise<Json> {
  const { rows } = await store.pool.query<{ value: Json }>("SELECT $1::jsonb AS value", [toJsonText(value)]);
  return rows[0]!.value;
}

test("a text that stands for its value is written as it is, but for what jsonb refuses", async () => {
  const input = { nul: `a${NUL}b`, list: [1, "😀"] };
  const source = new JsonSource(JSON.stringify(input));
  assert.deepEqual(await roundTrip([{ input: source }]), [{ input: { ...input, nul: "a\ufffdb" } }]);
});

test("what jsonb takes comes back as it was", async () => {
  const values: Json[] = [
    null,
    true,
    -0.5,
    "",
    "plain",
    "😀 pairs stay whole",
    `${BACKSLASH}u0000 as six letters`,
    `${BACKSLASH}${BACKSLASH}u0000`,
    `${BACKSLASH}ud83d`,
    "\u0001\u001f\u2028",
    { nested: [{ 'key with \\ and "': "\t\n" }] },
  ];
  for (const value of values) assert.deepEqual(await roundTrip(value), value);
});

test("NUL and lone surrogates become the replacement character", async () => {
  const cases: [string, string][] = [
    [NUL, "\ufffd"],
    [`${NUL}${NUL}a${NUL}`, "\ufffd\ufffda\ufffd"],
    [LONE, "\ufffd"],
    [`${LOW}${LONE}`, "\ufffd\ufffd"],
    [`${LONE}${LONE}${LOW}`, "\ufffd😀"],
    [`${BACKSLASH}${NUL}`, `${BACKSLASH}\ufffd`],
    [`${BACKSLASH}${BACKSLASH}${LONE}`, `${BACKSLASH}${BACKSLASH}\ufffd`],
    [`${BACKSLASH}u0000${NUL}`, `${BACKSLASH}u0000\ufffd`],
  ];
  for (const [given, expected] of cases) assert.equal(await roundTrip(given), expected);
  assert.deepEqual(await roundTrip({ [`k${NUL}`]: [LONE] }), { "k\ufffd": ["\ufffd"] });
});

test("any mixture of the dangerous pieces is text that jsonb takes", async () => {
  const pieces = [NUL, LONE, LOW, BACKSLASH, "u0000", "ud83d", '"', "a"];
  const mixtures = pieces.flatMap((a) => pieces.flatMap((b) => pieces.map((c) => `${a}${b}${c}`)));
  const expected = mixtures.map((text) => text.toWellFormed().replaceAll(NUL, "\ufffd"));
  assert.deepEqual(await roundTrip(mixtures), expected);
});

test("of JSON as its author wrote it lone halves become the replacement character, in either case, and pairs stay", async () => {
  const cases: [string, string][] = [
    ["\\uD800", "\ufffd"],
    ["\\uDe00!", "\ufffd!"],
    ["\\uD83D\\uDE00", "😀"],
    ["\\ud83d\\ude00", "😀"],
    ["\\ud83d\\ud83D\\uDE00\\ude00", "\ufffd😀\ufffd"],
    ["\\\\\\uD83D\\uDE00", "\\😀"],
    ["\\\\ud83d\\ude00", "\\ud83d\ufffd"],
    ["\\ud83d\\\\ude00\\u0000", "\ufffd\\ude00\ufffd"],
    ['\\"\\u00e9\\uD800', '"é\ufffd'],
  ];
  for (const [written, expected] of cases) {
    const { rows } = await store.pool.query<{ value: Json }>("SELECT $1::jsonb AS value", [
      toStorableJson(`["${written}"]`),
    ]);
    assert.deepEqual(rows[0]!.value, [expected], written);
  }
});

test("undefined is null", async () => {
  assert.equal(await roundTrip(undefined), null);
});
