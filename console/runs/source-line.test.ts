import assert from "node:assert/strict";
import { test } from "node:test";
import { findSourceLine } from "./source-line.ts";

const files = { "greet.ts": { source: "one\ntwo" }, "lib/a.ts": { source: "three" }, "big.bin": {} };

test("the first place that is a file of the revision, with or without a path in front", () => {
  const stack =
    "Error: no\n    at deep (node:internal:3:1)\n    at greet (greet.ts:2:9)\n    at lib/a.ts:1:1";
  assert.deepEqual(findSourceLine(stack, files), { path: "greet.ts", line: 2, text: "one\ntwo" });
  assert.equal(findSourceLine("Error\n  at file:///lib/a.ts:1:2", files)?.path, "lib/a.ts");
});

test("none where no place is known, or its text is not there", () => {
  assert.equal(findSourceLine("Error: at 12:30:01", files), undefined);
  assert.equal(findSourceLine("at big.bin:1:1", files), undefined);
});
