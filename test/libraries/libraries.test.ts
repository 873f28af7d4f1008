/** Public libraries and apps, bundled as their authors would and used in the real sandbox. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Json } from "../../core/json.ts";
import type { HttpCall } from "../../runtime/sandbox/invocation.ts";
import { resultOf, startSandbox } from "../../runtime/sandbox/sandbox-fixture.ts";
import { bundleCase } from "./bundle-case.ts";
import { APP_URL, APP_WORD, APPS, LIBRARIES } from "./cases.ts";

const { pool, call } = startSandbox();
after(() => pool.close());

const head = { method: "GET", url: APP_URL, headers: [], hasBody: false } as const;
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
      assert.deepEqual(resultOf(await call(await bundleCase(source), { memoryMb: 128 })), answer),
    );
  }
});

describe("apps as functions", () => {
  for (const { name, source, answer } of APPS) {
    test(name, async () => {
      const outcome = await call(await bundleCase(source), { memoryMb: 128, http, env: { WORD: APP_WORD } });
      const { status, body } = resultOf(outcome) as { status: Json; body: Json };
      assert.deepEqual([status, body], answer);
    });
  }
});
