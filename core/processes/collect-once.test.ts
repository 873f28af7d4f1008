import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const ROLE = new URL("../role.ts", import.meta.url).href;

/** V8 marks the code that it compiles by its flags: the mark changes with one that it knows. */
const PROGRAM = `
  import { cachedDataVersionTag } from "node:v8";
  import { runProgram } from ${JSON.stringify(ROLE)};
  const before = cachedDataVersionTag();
  const start = async () => {
    console.log(before === cachedDataVersionTag() ? "as before" : "has the flag");
    return { port: 1, failed: Promise.resolve(undefined), stop: async () => {} };
  };
  await runProgram({ command: "x", purpose: "x", settings: [], start });
`;

test("a role's program has V8 collect once at rest, by a flag that it knows", () => {
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "--eval", PROGRAM], {
    encoding: "utf8",
  });
  assert.deepEqual([stdout, stderr, status], ["has the flag\n", "", 0]);
});
