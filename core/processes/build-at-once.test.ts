import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

const moduleUrl = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);

/** In a process of its own: what else loads esbuild may have begun to serve. */
const PROGRAM = `
  import { buildAtOnce } from ${moduleUrl("build-at-once.ts")};
  import { childrenOf } from ${moduleUrl("process-tree.ts")};
  const built = buildAtOnce({ stdin: { contents: "console.log( 1 )" }, write: false, minifyWhitespace: true });
  console.log(JSON.stringify({
    text: built.outputFiles[0].text,
    children: childrenOf(process.pid),
    setting: process.env.ESBUILD_WORKER_THREADS,
  }));`;

test("a build leaves no process, and the setting as it was", () => {
  const run = (env: NodeJS.ProcessEnv): unknown =>
    JSON.parse(
      execFileSync(process.execPath, ["--input-type=module", "-e", PROGRAM], { env, encoding: "utf8" }),
    );
  const built = { text: "console.log(1);\n", children: [] };
  assert.deepEqual(run({}), built);
  assert.deepEqual(run({ ESBUILD_WORKER_THREADS: "1" }), { ...built, setting: "1" });
});
