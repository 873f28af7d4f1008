import assert from "node:assert/strict";
import { test } from "node:test";
import { createRedactor, NOTHING_TO_REDACT } from "./redactor.ts";

const VALUE = 'p"ss/w+rd é?';
const { text, json } = createRedactor([{ name: "TOKEN", value: VALUE }]);
const MARK = "[redacted TOKEN]";

test("a value goes wherever it stands, however it is written", () => {
  assert.equal(text(`a ${VALUE} b ${VALUE}`), `a ${MARK} b ${MARK}`);
  const bytes = Buffer.from(VALUE);
  const written = [
    JSON.stringify({ a: VALUE }),
    JSON.stringify(JSON.stringify({ a: VALUE })),
    encodeURIComponent(VALUE),
    new URLSearchParams({ a: VALUE }).toString(),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    bytes.toString("base64"),
    bytes.toString("base64url"),
    Buffer.from(`x${VALUE}`).toString("base64"),
    Buffer.from(`user:${VALUE}`).toString("base64"),
    Buffer.from(`xy${VALUE}yz`).toString("base64url"),
  ];
  for (const each of written) {
    const redacted = text(`<${each}>`);
    assert.ok(redacted.includes(MARK), redacted);
    for (let at = 0; at + 8 <= each.length; at += 1) {
      const piece = each.slice(at, at + 8);
      if (!`<${MARK}{"a":\\"a="}>`.includes(piece) && !each.endsWith('}"') && at > 8)
        assert.ok(!redacted.includes(piece), `${piece} of ${each} is left in ${redacted}`);
    }
  }
});

test("strings, keys and numbers of JSON, at every depth", () => {
  const pin = createRedactor([{ name: "PIN", value: "483920" }]);
  assert.deepEqual(pin.json({ a: [483920, "x483920", { "483920": true }], b: null, c: 1 }), {
    a: ["[redacted PIN]", "x[redacted PIN]", { "[redacted PIN]": true }],
    b: null,
    c: 1,
  });
  assert.deepEqual(json([VALUE]), [MARK]);
  let deep: unknown = "483920";
  for (let n = 0; n < 5_000; n += 1) deep = [deep];
  assert.doesNotMatch(JSON.stringify(pin.json(deep as never)), /483920/);
});

test("the longest of several that begin alike, and the longer lines of one that has several", () => {
  const two = createRedactor([
    { name: "SHORT", value: "abcd1234" },
    { name: "LONG", value: "abcd12345678" },
    { name: "KEY", value: "-----BEGIN-----\nMIIBVgIBADANBgkq\nend\n" },
  ]);
  assert.equal(two.text("abcd12345678 abcd1234"), "[redacted LONG] [redacted SHORT]");
  assert.equal(two.text("line: MIIBVgIBADANBgkq."), "line: [redacted KEY].");
  assert.equal(two.text("the end"), "the end");
});

test("a text that was cut in the middle of a secret keeps nothing of it", () => {
  const cut = createRedactor([{ name: "A", value: "supersecretvalue" }]);
  assert.equal(cut.text("it is supersec"), "it is [redacted A]");
  assert.equal(cut.text("it is supersec…"), "it is [redacted A]…");
  assert.equal(cut.text("it is supersec, no"), "it is supersec, no");
});

test("without secrets there is nothing to do, and a walk is quick with many", () => {
  assert.equal(createRedactor([]), NOTHING_TO_REDACT);
  const many = createRedactor(
    Array.from({ length: 200 }, (_, n) => ({
      name: `S${n}`,
      value: `secret-value-${n}-${"x".repeat(1_000)}`,
    })),
  );
  const line = "secre secret-val ".repeat(500);
  assert.equal(many.text(line), line);
});
