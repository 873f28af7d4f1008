/** The shapes in which other platforms' functions are written, in the real sandbox. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Json } from "../../core/json.ts";
import type { HttpCall } from "./invocation.ts";
import { type CallOptions, errorOf, resultOf, startSandbox } from "./sandbox-fixture.ts";

const { pool, begin, call } = startSandbox();
after(() => pool.close());

/** A GET of the function's URL; its response comes whole. */
const http: HttpCall = {
  head: { method: "GET", url: "https://h.example/fn/default/f/path?q=1", headers: [], hasBody: false },
  onOpen() {},
  onHead() {},
  onData() {},
  onEnd() {},
  onPull() {},
};

async function get(source: string, options: CallOptions = {}): Promise<unknown[]> {
  const { status, body } = resultOf(await call(source, { ...options, http })) as {
    status: number;
    body: string;
  };
  return [status, body];
}

function gives(name: string, source: string, expected: Json, options?: CallOptions): void {
  test(name, async () => assert.deepEqual(resultOf(await call(source, options)), expected));
}

describe("await at the top level", () => {
  gives(
    "of the entry and of what it imports, with timers and node: modules",
    `import { join } from "node:path";
     const slept = await new Promise<string>((resolve) => setTimeout(() => resolve("slept"), 2));
     const { sep } = await import("node:path");
     export const named = 1;
     export default () => [slept, join("a", sep, "b"), typeof import.meta];`,
    ["slept", "a/b", "object"],
  );
  gives(
    "beside AsyncLocalStorage",
    `import { AsyncLocalStorage } from "node:async_hooks";
     const store = new AsyncLocalStorage<string>();
     const early = await store.run("early", async () => { await null; return store.getStore(); });
     export default () => store.run("late", async () => { await null; return [early, store.getStore()]; });`,
    ["early", "late"],
  );
  test("a run that comes later finds the module as it is; one that never comes is ended by the limit", async () => {
    const source = `let count = 0; count = await Promise.resolve(5); export default () => ++count;`;
    assert.equal(resultOf(await call(source, { revisionId: "awaiting" })), 6);
    assert.equal(resultOf(await call(source, { revisionId: "awaiting" })), 7);
    const hangs = "await new Promise(() => {}); export default () => 1;";
    assert.equal(errorOf(await call(hangs, { wallMs: 300 })).code, "function_timeout");
  });
  test("a rejection fails the run with its place", async () => {
    const error = errorOf(await call(`await null;\nthrow new Error("not ready");\nexport default () => 1;`));
    assert.deepEqual([error.code, error.message], ["function_error", "not ready"]);
  });
});

describe("handlers that a module registers", () => {
  const listens = `addEventListener("fetch", (event: any) => {
      event.respondWith((async () => { await null; return new Response(new URL(event.request.url).pathname); })());
    });
    addEventListener("scheduled", (event: any) => event.waitUntil((async () => { await null; console.log("at " + event.scheduledTime); })()));`;
  test("addEventListener: fetch and scheduled", async () => {
    assert.deepEqual(await get(listens), [200, "/fn/default/f/path"]);
    const { outcome, lines } = await begin(listens);
    assert.equal(resultOf(await outcome), null);
    assert.equal(lines[0]?.message, `at ${Date.parse("2026-01-02T03:04:05.678Z")}`);
  });
  test("a listener that does not answer, or answers twice, fails its run", async () => {
    const silent = errorOf(await call(`addEventListener("fetch", () => {});`, { http }));
    assert.match(silent.message, /respondWith/);
  });
  test("Deno.serve in each of its forms, Deno.env, and no Deno besides", async () => {
    for (const serve of [
      "Deno.serve(handler)",
      "Deno.serve({ port: 1 }, handler)",
      "Deno.serve({ handler })",
    ]) {
      const source = `declare const Deno: any; const handler = async (request: Request) => new Response(request.method + " " + Deno.env.get("WORD") + " " + typeof Deno);
        ${serve};`;
      assert.deepEqual(await get(source, { env: { WORD: "hi" } }), [200, "GET hi undefined"]);
    }
  });
  test("an upload that gives nothing to call is refused", async () => {
    await assert.rejects(call("export const handler = () => 1;"), /no default export/);
  });
});

describe("default exports", () => {
  test("a function with fetch() of its own answers by that", async () => {
    assert.deepEqual(
      await get(`export default Object.assign(() => "called", { fetch: () => new Response("fetched") });`),
      [200, "fetched"],
    );
  });
  test("fetch: request.cf is there, and empty", async () => {
    assert.deepEqual(
      await get(
        `export default { fetch: (request: any) => Response.json([request.cf, request.cf?.colo ?? "none"]) };`,
      ),
      [200, '[{},"none"]'],
    );
  });
  test("scheduled: noRetry() makes a failure final", async () => {
    const fails = (first: string) =>
      call(`export default { scheduled(event: any) { ${first} throw new Error("no"); } };`);
    const { code, retryable } = errorOf(await fails("event.noRetry();"));
    assert.deepEqual([code, retryable], ["function_fatal", false]);
    assert.equal(errorOf(await fails("")).retryable, true);
  });
});

describe("what other platforms have besides", () => {
  gives(
    "WebSocket exists and refuses when constructed",
    `export default () => { try { new WebSocket("wss://h.example/"); } catch (error: any) { return [typeof WebSocket, WebSocket.OPEN, error.name]; } };`,
    ["function", 1, "NotSupportedError"],
  );
  gives(
    "scheduler.wait, navigator.language",
    `declare const scheduler: any; export default async () => {
       const controller = new AbortController(); const aborted = scheduler.wait(1_000, { signal: controller.signal }).catch((error: any) => error.name); controller.abort();
       return [await scheduler.wait(1) ?? "waited", await aborted, navigator.language, navigator.languages];
     };`,
    ["waited", "AbortError", "en", ["en"]],
  );
  gives(
    "crypto.subtle.timingSafeEqual",
    `export default () => {
       const { subtle } = crypto as any; const bytes = (text: string) => new TextEncoder().encode(text);
       let unequal; try { subtle.timingSafeEqual(bytes("a"), bytes("ab")); } catch (error: any) { unequal = error.name; }
       return [subtle.timingSafeEqual(bytes("a"), bytes("a").buffer), subtle.timingSafeEqual(bytes("a"), bytes("b")), unequal];
     };`,
    [true, false, "TypeError"],
  );
  gives(
    "FixedLengthStream passes what was said, and fails for more or less",
    `declare const FixedLengthStream: any; export default async () => {
       const through = async (length: number) => {
         const stream = new FixedLengthStream(length); const writer = stream.writable.getWriter();
         const written = writer.write(new TextEncoder().encode("hello")).then(() => writer.close()).catch(() => {});
         try { const text = await new Response(stream.readable).text(); await written; return text; } catch (error: any) { return error.message; }
       };
       return [await through(5), await through(4), await through(6)];
     };`,
    [
      "hello",
      "More than the 4 bytes of this FixedLengthStream were written",
      "5 of the 6 bytes of this FixedLengthStream were written",
    ],
  );
});
