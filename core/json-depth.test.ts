import assert from "node:assert/strict";
import { test } from "node:test";
import { isNestedDeeper } from "./json-depth.ts";

test("depth is counted in the text, strings and their escapes left out", () => {
  const cases: [text: string, depth: number][] = [
    ["1", 0],
    ["[]", 1],
    ['{"a":[1,{"b":2}],"c":[]}', 3],
    ['{"[[[":"{{{"}', 1],
    ['["\\"[[["]', 1],
    ['["\\\\",[1]]', 2],
    ['["\\\\\\"[[["]', 1],
    ['["unfinished [[[', 1],
    ["[[[[", 4],
  ];
  for (const [text, depth] of cases) {
    assert.equal(isNestedDeeper(text, depth), false, text);
    if (depth > 0) assert.equal(isNestedDeeper(text, depth - 1), true, text);
  }
  // Only as far as it must.
  const endless = { length: 1_000, charCodeAt: (at: number) => (at < 5 ? 91 : assert.fail("it looked on")) };
  assert.equal(isNestedDeeper(endless as unknown as string, 4), true);
});
