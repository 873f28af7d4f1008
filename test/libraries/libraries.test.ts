/** Public libraries and apps, bundled as their authors would and used in the real sandbox. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { build } from "esbuild";
import type { Json } from "../../core/json.ts";
import type { HttpCall } from "../../runtime/sandbox/invocation.ts";
import { resultOf, startSandbox } from "../../runtime/sandbox/sandbox-fixture.ts";
import { APPS, LIBRARIES } from "./cases.ts";

const { pool, call } = startSandbox();
after(() => pool.close());

/** As `esbuild app.ts --bundle --format=esm --platform=node` makes it of a file in this folder. */
async function bundle(source: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: import.meta.dirname, loader: "ts" },
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    logLevel: "silent",
  });
  return outputFiles[0]!.text;
}

const head = { method: "GET", url: "https://h.example/users/7?x=1", headers: [], hasBody: false } as const;
const http: HttpCall = {
  head: { ...head, headers: [] },
  onOpen() {},
  onHead() {},
  onData() {},
  onEnd() {},
  onPull() {},
};

describe("libraries in functions", () => {
  for (const { name, source, answer } of LIBRARIES) {
    test(name, async () =>
      assert.deepEqual(resultOf(await call(await bundle(source), { memoryMb: 128 })), answer),
    );
  }
});

describe("apps as functions", () => {
  for (const { name, source, answer } of APPS) {
    test(name, async () => {
      const outcome = await call(await bundle(source), { memoryMb: 128, http, env: { WORD: "hi" } });
      const { status, body } = resultOf(outcome) as { status: Json; body: Json };
      assert.deepEqual([status, body], answer);
    });
  }
});
