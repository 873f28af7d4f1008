import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const SOURCE = new URL("collect-once.ts", import.meta.url).href;

/** V8 marks the code that it compiles by its flags: the mark changes with one that it knows. */
const PROGRAM = `
  import { cachedDataVersionTag } from "node:v8";
  import { collectOnceAtRest } from ${JSON.stringify(SOURCE)};
  const before = cachedDataVersionTag();
  collectOnceAtRest();
  console.log(before === cachedDataVersionTag() ? "as before" : "has the flag");
`;

test("V8 collects once at rest, by a flag that it knows", () => {
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "--eval", PROGRAM], {
    encoding: "utf8",
  });
  assert.deepEqual([stdout, stderr, status], ["has the flag\n", "", 0]);
});
