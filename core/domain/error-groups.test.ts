import assert from "node:assert/strict";
import { test } from "node:test";
import { drawSeed } from "../../test/support/properties.ts";
import { createRandom } from "../../test/support/random.ts";
import {
  findAuthorLine,
  GROUP_HOURS,
  hourOf,
  kindOf,
  listHours,
  MAX_GROUP_MESSAGE_CHARS,
  normaliseMessage,
} from "./error-groups.ts";

const stackOf = (...frames: string[]) => frames.map((frame) => `at ${frame}`).join("\n");
const fingerprintOf = (message: string, stack?: string, code = "function_error") =>
  kindOf({ code, message, ...(stack === undefined ? {} : { details: { name: "Error", stack } }) })
    .fingerprint;

test("what varies from one time to the next is not looked at", () => {
  for (const [message, normal] of [
    ["The server answered 503.", "The server answered <n>."],
    ["order 17 of 1,200.50 at 12:30:01", "order <n> of <n> at <n>"],
    ["no user 01a20a28-a81c-7294-862d-1a27e97c0d32", "no user <id>"],
    ["no column \"na'me\" in 't'", "no column <text> in <text>"],
    ["can't read property `x` of undefined, don't", "can't read property <text> of undefined, don't"],
    ["at 0xDEADBEEF of cus_9s6XKzkNRiz8i3", "at <hex> of <id>"],
    ["commit 9f86d081884c7d65", "commit <id>"],
    ["  two \n lines\t", "two lines"],
    ["ECONNREFUSED function_error", "ECONNREFUSED function_error"],
    ["", ""],
  ] as const)
    assert.equal(normaliseMessage(message), normal, message);
});

const WORDS = [
  "no",
  "order",
  "can't",
  "user:",
  "(refused)",
  "«gone»",
  "über",
  "a-b",
  "x=y",
  "E_SAVE",
  "'",
  '"',
  "<n>",
];
const random = createRandom(drawSeed());
const { pick } = random;
const bytes = (count: number) => Buffer.from(Array.from({ length: count }, () => random.whole(0, 255)));
const uuid = () =>
  bytes(16)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
const VARYING: (() => string)[] = [
  () => String(random.whole(0, 999_999)),
  () => `${random.whole(0, 99)}.${random.whole(0, 99)}`,
  uuid,
  () => `0x${bytes(4).toString("hex")}`,
  () => `"${bytes(6).toString("base64url")}"`,
  () => `req_1a${bytes(8).toString("hex")}`,
];

test("of any message: the same with other numbers, ids and texts; stable; normal once it is", () => {
  for (let left = 2_000; left > 0; left -= 1) {
    const shape = Array.from({ length: random.whole(1, 11) }, () =>
      random.whole(0, 2) === 0 ? pick(VARYING) : pick(WORDS.filter((word) => !/["']$/.test(word))),
    );
    const write = () => shape.map((part) => (typeof part === "string" ? part : part())).join(" ");
    const [one, other] = [write(), write()];
    assert.equal(normaliseMessage(one), normaliseMessage(other), `${one} / ${other}`);
    assert.equal(normaliseMessage(normaliseMessage(one)), normaliseMessage(one));
    const anything = Array.from({ length: 8 }, () => pick([...WORDS, ...VARYING.map((make) => make())])).join(
      "",
    );
    assert.equal(fingerprintOf(anything), fingerprintOf(anything));
    assert.match(fingerprintOf(anything), /^[0-9a-f]{32}$/);
  }
});

test("words, the code and the author's innermost line tell failures apart; outer lines and columns do not", () => {
  const inner = "charge (src/pay.ts:14:9)";
  const first = fingerprintOf("no card 1", stackOf(inner, "default (index.ts:3:1)"));
  assert.equal(
    first,
    fingerprintOf("no card 2", stackOf("charge (src/pay.ts:14:30)", "default (index.ts:9:1)")),
  );
  for (const other of [
    fingerprintOf("no cash 1", stackOf(inner)),
    fingerprintOf("no card 1", stackOf(inner), "function_fatal"),
    fingerprintOf("no card 1", stackOf("charge (src/pay.ts:15:9)")),
    fingerprintOf("no card 1"),
  ])
    assert.notEqual(first, other);
});

test("the author's line is found in any of a stack's forms, and only there", () => {
  const lineOf = (details: unknown) => findAuthorLine({ code: "c", message: "m", details: details as never });
  assert.equal(lineOf({ stack: "at default (index.ts:3:9)\nat x (y.ts:1:1)" }), "index.ts:3");
  assert.equal(lineOf({ stack: "at async src/a.ts:12:1" }), "src/a.ts:12");
  assert.equal(lineOf({ stack: "at new Foo (lib/my file.ts:7:2)" }), "lib/my file.ts:7");
  for (const details of [
    undefined,
    null,
    "at x (y.ts:1:1)",
    {},
    { stack: "" },
    { stack: 3 },
    { status: 503 },
  ])
    assert.equal(lineOf(details), undefined);
});

test("a message as long as it likes takes no time, and is cut", () => {
  const started = performance.now();
  for (const message of [
    "a1".repeat(50_000),
    `"${"x".repeat(100_000)}`,
    "'a ".repeat(50_000),
    "1,".repeat(50_000),
  ])
    assert.equal(kindOf({ code: "c", message }).message.length, MAX_GROUP_MESSAGE_CHARS);
  assert.ok(performance.now() - started < 5_000);
});

test("the last hours are listed, those without a count among them", () => {
  const now = new Date("2026-11-29T12:34:56Z");
  const listed = listHours({ [hourOf(now)]: 3, [hourOf(now) - 23]: 1, [hourOf(now) - 24]: 9 }, now);
  assert.deepEqual([listed.length, listed[0], listed.at(-1)], [GROUP_HOURS, 1, 3]);
  assert.equal(
    listed.reduce((sum, count) => sum + count),
    4,
  );
});
