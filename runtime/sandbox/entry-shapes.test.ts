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

describe("CommonJS", () => {
  gives(
    "module.exports is a function",
    `module.exports = async (input) => [input, this === module.exports];`,
    [5, false],
    {
      input: 5,
    },
  );
  gives(
    "module.exports is an object with scheduled, exports has a default",
    `module.exports = { scheduled: (event, env) => [event.type, env.WORD] };`,
    ["scheduled", "hi"],
    { env: { WORD: "hi" } },
  );
  gives("exports has a default beside others", `exports.default = () => 1; exports.fetch = () => 2;`, 1);
  test("module.exports is an object with fetch, as a bundle has it", async () => {
    const app = `module.exports = { fetch: (request) => new Response(new URL(request.url).pathname) };`;
    assert.deepEqual(await get(app), [200, "/fn/default/f/path"]);
    const bundle = `var make = (f, m) => () => (m || f((m = { exports: {} }).exports, m), m.exports);
      var app = make((exports, module) => { ${app} }); export default app();`;
    assert.deepEqual(await get(bundle), [200, "/fn/default/f/path"]);
  });
  test("exports that are nothing to be called end the run, and say what would be", async () => {
    const { code, message } = errorOf(await call("module.exports = { handler: () => 1 };"));
    assert.equal(code, "unsupported_shape");
    assert.match(message, /module\.exports/);
  });
  test("an upload whose exports are by their names nothing to be called is refused", async () => {
    for (const source of [
      "exports.handler = () => 1;",
      "exports.__esModule = true; module.exports.main = exports.handler = () => 1;",
      "const handler = () => 1; module.exports = { handler };",
      "const run = () => 1;\nmodule.exports = {\n  handler: run,\n  main: run,\n};\n",
    ]) {
      await assert.rejects(
        call(source),
        /index\.ts exports only .* such as (?:handler|main): .*module\.exports = /,
      );
    }
    for (const [source, expected] of [
      ['exports.handler = () => 1; exports["default"] = () => 2;', 2],
      ["exports.handler = () => 1; exports.scheduled = () => 2;", 2],
      ["exports.handler = () => 1; module.exports = exports.handler;", 1],
      ["const handler = () => 4; module.exports = { handler, default: handler };", 4],
      ["const a = () => 5; module.exports = { a }; module.exports.default = a;", 5],
      ["const a = () => 6; module.exports = { ...{ a }, scheduled: a };", 6],
      ['const text = "exports.handler"; export default () => 3;', 3],
    ] as const) {
      assert.equal(resultOf(await call(source)), expected);
    }
  });
});

describe("computed imports", () => {
  const source = `
    export const told = async (run) => { try { return await run(); } catch (error) { return [error.code, error instanceof Error]; } };
    export default async (name) => [
      await told(() => import("./missing/" + name)), await told(() => import("node:" + name).then(({ sep }) => sep)),
      await told(() => import(name + "s").then(({ sep }) => sep)), await told(() => require("../" + name)),
    ];`;
  const expected = [
    ["ERR_MODULE_NOT_FOUND", true],
    "/",
    ["MODULE_NOT_FOUND", true],
    ["MODULE_NOT_FOUND", true],
  ];
  gives("reject, throw or find a node: module where they are run", source, expected, { input: "path" });
  gives("in a module that awaits", `await null; ${source}`, expected, { input: "path" });
});

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
    addEventListener("scheduled", (event: any) => event.waitUntil((async () => { await null; console.log("at " + event.scheduledTime + " by " + event.cron); })()));`;
  test("addEventListener: fetch and scheduled", async () => {
    assert.deepEqual(await get(listens), [200, "/fn/default/f/path"]);
    const { outcome, lines } = await begin(listens, { cron: "5 4 * * *" });
    assert.equal(resultOf(await outcome), null);
    assert.equal(lines[0]?.message, `at ${Date.parse("2026-01-02T03:04:05.678Z")} by 5 4 * * *`);
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
      "globalThis.Deno?.serve(handler)",
      "globalThis.Deno.serve(handler)",
    ]) {
      const source = `declare const Deno: any; const handler = async (request: Request) => new Response(request.method + " " + Deno.env.get("WORD") + " " + typeof Deno);
        ${serve};`;
      assert.deepEqual(await get(source, { env: { WORD: "hi" } }), [200, "GET hi undefined"]);
    }
  });
  test("Deno.serve where there is a global Deno is refused, unless it is one way of several", async () => {
    for (const guard of [
      'if (typeof Deno !== "undefined") ',
      "if (typeof globalThis.Deno != 'undefined') { ",
      '"Deno" in globalThis && ',
    ]) {
      const source = `const handler = () => new Response("served"); ${guard}Deno.serve(handler)${guard.endsWith("{ ") ? "}" : ""};`;
      await assert.rejects(
        call(source, { http }),
        /index\.ts has no default export, and Deno\.serve .* without asking/,
      );
      const both = `${source} export default { fetch: handler };`;
      assert.deepEqual(await get(both), [200, "served"]);
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

describe("a plain function that returns a Response", () => {
  const response = `new Response("made", { status: 201, headers: { "x-a": "b" } })`;
  const parts = {
    status: 201,
    headers: [
      ["x-a", "b"],
      ["content-type", "text/plain;charset=UTF-8"],
    ],
    body: "made",
  };
  test("is answered with it at its URL, and its result is the same for a task or an invocation", async () => {
    const source = `export default () => ${response};`;
    assert.deepEqual(resultOf(await call(source, { http })), parts);
    assert.deepEqual(resultOf(await call(source)), parts);
    assert.deepEqual(resultOf(await call(`export default { scheduled: () => ${response} };`)), parts);
  });
  gives(
    "has a body of bytes in base64",
    "export default async () => new Response(new Uint8Array([255, 0, 1]));",
    { status: 200, headers: [], bodyBase64: "/wAB" },
  );
  test("fails where the body was read, or takes more than a result may", async () => {
    const read = `export default async () => { const response = ${response}; await response.text(); return response; };`;
    assert.equal(errorOf(await call(read)).code, "function_error");
    const large = `export default () => new Response("x".repeat(2_000));`;
    assert.equal(errorOf(await call(large, { limits: { resultBytes: 1_000 } })).code, "result_too_large");
    const endless = `export default () => new Response(new ReadableStream({
      pull(controller) { controller.enqueue(new Uint8Array(100_000)); }, cancel() { console.log("cancelled"); },
    }));`;
    const { outcome, lines } = await begin(endless);
    assert.equal(errorOf(await outcome).code, "result_too_large");
    assert.deepEqual(
      lines.map(({ message }) => message),
      ["cancelled"],
    );
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
    "Uint8Array to and from base64 and hex",
    `export default () => {
       const Bytes = Uint8Array as any; const bytes = Bytes.fromBase64("aGk_-w", { alphabet: "base64url" }); const target = new Bytes(4);
       const failed = (work: () => unknown) => { try { return work(); } catch (error: any) { return error.name; } };
       return [bytes.toHex(), bytes.toBase64(), bytes.toBase64({ alphabet: "base64url", omitPadding: true }), [...Bytes.fromHex("00ff")], [...Bytes.fromBase64(" aG k= ")],
         target.setFromBase64("aGVsbG8="), target.setFromHex("616263"), String.fromCharCode(...target.subarray(0, 3)), failed(() => Bytes.fromBase64("a")), failed(() => Bytes.fromBase64("aGk", { lastChunkHandling: "strict" })),
         [...Bytes.fromBase64("aGkaG", { lastChunkHandling: "stop-before-partial" })].length, failed(() => Bytes.fromHex("0")), failed(() => Bytes.fromBase64(1))];
     };`,
    [
      "68693ffb",
      "aGk/+w==",
      "aGk_-w",
      [0, 255],
      [104, 105],
      { read: 4, written: 3 },
      { read: 6, written: 3 },
      "abc",
      "SyntaxError",
      "SyntaxError",
      3,
      "SyntaxError",
      "TypeError",
    ],
  );
  gives(
    "caches: by URL and name, as long as the response says, and no more than a bound",
    `export default async () => {
       const cache = (caches as any).default; const url = "https://h.example/a"; const other = await caches.open("other");
       const put = (headers: Record<string, string>, at = url, init = {}) => cache.put(at, new Response("kept", { headers, ...init }));
       const text = async (key: any, from = cache) => (await (await from.match(key))?.text()) ?? "none";
       const answers: unknown[] = [await text(url)];
       await put({ "cache-control": "max-age=60", "x-a": "b" });
       answers.push(await text(url + "#fragment"), await text(new Request(url, { method: "POST" })), await text(url, other), (await cache.match(url)).headers.get("x-a"), await text(url));
       answers.push(await cache.delete(url), await cache.delete(url));
       for (const headers of [{ "cache-control": "no-store" }, { "set-cookie": "a=1" }, { "cache-control": "max-age=0" }, { expires: new Date(0).toUTCString() }]) { await put(headers as any); answers.push(await text(url)); }
       answers.push(await cache.put(new Request(url, { method: "POST" }), new Response("x")).catch((error: any) => error.name), await put({ vary: "*" }).catch((error: any) => error.name));
       await put({}, "https://h.example/first");
       for (let i = 0; i < 100; i++) await put({}, "https://h.example/" + i);
       answers.push(await text("https://h.example/first"), await text("https://h.example/0"));
       await cache.put(url, new Response(new Uint8Array(2_000_001)));
       answers.push(await text(url), await text("https://h.example/0"));
       return answers;
     };`,
    [
      ...["none", "kept", "none", "none", "b", "kept", true, false],
      ...["none", "none", "none", "none", "TypeError", "TypeError", "none", "kept", "none", "kept"],
    ],
  );
  gives(
    "caches: a request for a part, and one with conditions, of a kept response",
    `export default async () => {
       const cache = (caches as any).default; const url = "https://h.example/r";
       const modified = "Mon, 02 Nov 2026 10:00:00 GMT"; const before = "Sun, 01 Nov 2026 10:00:00 GMT";
       await cache.put(url, new Response("0123456789", { headers: { etag: 'W/"a,b"', "last-modified": modified, "content-length": "10" } }));
       const asked = async (headers: Record<string, string>, init = {}, at = url) => {
         const response = await cache.match(new Request(at, { headers, ...init }));
         return [response.status, response.headers.get("content-range"), response.headers.get("content-length"), await response.text()].join(" ");
       };
       const ranges = ["bytes=2-4", "Bytes = 7-", "bytes=-3", "bytes=-30", "bytes=9-99", "bytes=10-", "bytes=-0", "bytes=4-2", "bytes=0-1,3-4", "bytes=-", "lines=1-2"];
       const answers: string[] = [];
       for (const range of ranges) answers.push(await asked({ range }));
       answers.push(await asked({ range: "bytes=2-4" }, { method: "HEAD" }));
       for (const ifRange of [modified, before, 'W/"a,b"']) answers.push(await asked({ range: "bytes=2-4", "if-range": ifRange }));
       for (const tags of ['"x", "a,b"', "*", '"x"', "a,b"]) answers.push(await asked({ "if-none-match": tags, range: "bytes=2-4" }));
       for (const date of [modified, before, "never"]) answers.push(await asked({ "if-modified-since": date }));
       answers.push(await asked({ "if-none-match": '"x"', "if-modified-since": modified }));
       await cache.put(url + "/strong", new Response("0123456789", { headers: { etag: '"s"' } }));
       answers.push(await asked({ range: "bytes=2-4", "if-range": '"s"' }, {}, url + "/strong"));
       await cache.put(url + "/gone", new Response("gone", { status: 410, headers: { etag: '"s"' } }));
       answers.push(await asked({ range: "bytes=2-", "if-none-match": '"s"' }, {}, url + "/gone"));
       return answers;
     };`,
    [
      ...[
        "206 bytes 2-4/10 3 234",
        "206 bytes 7-9/10 3 789",
        "206 bytes 7-9/10 3 789",
        "206 bytes 0-9/10 10 0123456789",
      ],
      ...["206 bytes 9-9/10 1 9", "416 bytes */10  ", "416 bytes */10  "],
      ...Array(4).fill("200  10 0123456789"),
      "206 bytes 2-4/10 3 ",
      ...["206 bytes 2-4/10 3 234", "200  10 0123456789", "200  10 0123456789"],
      ...["304   ", "304   ", "206 bytes 2-4/10 3 234", "206 bytes 2-4/10 3 234"],
      ...["304   ", "200  10 0123456789", "200  10 0123456789", "200  10 0123456789"],
      ...["206 bytes 2-4/10 3 234", "410   gone"],
    ],
  );
  gives(
    "caches: a response that varies is for requests that agree with the one it was kept for",
    `export default async () => {
       const cache = (caches as any).default; const url = "https://h.example/v";
       const of = (language?: string) => new Request(url, language === undefined ? {} : { headers: { "Accept-Language": language } });
       const put = (key: any, text: string, vary = "accept-language, x-b") => cache.put(key, new Response(text, { headers: { vary } }));
       const text = async (key: any, options?: object) => (await (await cache.match(key, options))?.text()) ?? "none";
       await put(of("de"), "Hallo"); await put(of("fr"), "Salut"); await put(of("de"), "Servus");
       const answers: unknown[] = [await text(of("de")), await text(of("fr")), await text(of("en")), await text(url), await text(url, { ignoreVary: true })];
       answers.push(await cache.delete(of("en")), await cache.delete(of("de")), await text(of("de")), await text(of("fr")), await cache.delete(url, { ignoreVary: true }), await text(of("fr")));
       await put(url + "?a=1", "searched"); answers.push(await text(url + "?a=2"), await text(url + "?a=2", { ignoreSearch: true }));
       const other = await caches.open("other"); await other.put(url, new Response("elsewhere"));
       answers.push(await (await caches.match(url))!.text(), await caches.match(url + "/no") ?? "none");
       answers.push(await cache.put("ftp://h.example/", new Response("x")).catch((error: any) => error.name), await cache.match("ftp://h.example/") ?? "none");
       return answers;
     };`,
    [
      ...["Servus", "Salut", "none", "none", "Servus"],
      ...[false, true, "none", "Salut", true, "none"],
      ...["none", "searched", "elsewhere", "none", "TypeError", "none"],
    ],
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
