/** Runs over HTTP: a request goes into the isolate and a response comes out, whole or as a stream. */
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { build } from "esbuild";
import type { CallerStream } from "../../core/contracts/call-stream.ts";
import type { HttpResponseHead, HttpResult } from "../../core/contracts/http-call.ts";
import type { HttpCall } from "./invocation.ts";
import {
  type Call,
  type CallOptions,
  errorOf,
  resultOf,
  type SandboxFixture,
  startSandboxFor,
} from "./sandbox-fixture.ts";

interface Exchange extends Call {
  feed: CallerStream;
  head: HttpResponseHead | undefined;
  chunks: Buffer[];
  hasEnded: boolean;
  pulledBytes: number;
  /** Resolves at the next thing that happens. */
  next(): Promise<void>;
}

interface Asked extends Omit<CallOptions, "http"> {
  method?: string;
  url?: string;
  headers?: [string, string][];
  body?: string;
  hasBody?: boolean;
}

/** Begins a call; the response is granted as it comes unless the test says otherwise. */
async function open(
  { begin }: SandboxFixture,
  source: string,
  asked: Asked = {},
  grants = true,
): Promise<Exchange> {
  const { method = "GET", url = "https://fn.test/", headers = [], body, ...options } = asked;
  let wake = () => {};
  const seen = { head: undefined, chunks: [], hasEnded: false, pulledBytes: 0 } as unknown as Exchange;
  seen.next = () => new Promise((resolve) => (wake = resolve));
  const http: HttpCall = {
    head: { method, url, headers, hasBody: asked.hasBody ?? body !== undefined },
    onOpen(feed) {
      seen.feed = feed;
      if (body === undefined) return;
      feed.data(Buffer.from(body));
      feed.end();
    },
    onHead(head) {
      seen.head = head;
      wake();
    },
    onData(bytes) {
      seen.chunks.push(Buffer.from(bytes));
      if (grants) seen.feed.pull(bytes.byteLength);
      wake();
    },
    onEnd() {
      seen.hasEnded = true;
      wake();
    },
    onPull(bytes) {
      seen.pulledBytes += bytes;
      wake();
    },
  };
  return Object.assign(seen, await begin(source, { ...options, http }));
}

/** A whole call, with its response's text. */
async function ask(fixture: SandboxFixture, source: string, asked: Asked = {}) {
  const exchange = await open(fixture, source, asked);
  const result = resultOf(await exchange.outcome) as unknown as HttpResult;
  const streamed = Buffer.concat(exchange.chunks).toString();
  const head = exchange.head ?? (result as HttpResponseHead);
  const text = "body" in result ? result.body : streamed;
  return { status: head.status, headers: Object.fromEntries(head.headers ?? []), text, result };
}

const start = (t: TestContext) => startSandboxFor(t);

describe("a fetch handler", () => {
  test("gets method, URL, headers and body, and its short answer comes whole", async (t) => {
    const answer = await ask(
      start(t),
      `export default { async fetch(request: Request, env: Record<string, string>, ctx: any) {
        ctx.passThroughOnException();
        return Response.json(
          [request.method, request.url, request.headers.get("x-a"), await request.json(), env.NAME, request instanceof Request],
          { status: 201, headers: { "x-b": "c" } },
        );
      } };`,
      {
        method: "PUT",
        url: "https://fn.test/a?b=1",
        headers: [["X-A", "1"]],
        body: '{"n":1}',
        env: { NAME: "n" },
      },
    );
    assert.equal(answer.status, 201);
    assert.equal(answer.headers["x-b"], "c");
    assert.equal(answer.headers["content-type"], "application/json");
    assert.deepEqual(JSON.parse(answer.text), ["PUT", "https://fn.test/a?b=1", "1", { n: 1 }, "n", true]);
    assert.ok("body" in answer.result);
  });

  test("gets a request whose copies have all of it, its URL too", async (t) => {
    const answer = await ask(
      start(t),
      `export default { async fetch(request: Request) {
        const clone = request.clone();
        const copy = new Request(request, { method: "PATCH", body: "other" });
        const tell = async (each: Request) =>
          [each.method, each.url, each.headers.get("x-a"), each.redirect, each.mode, await each.text()];
        return Response.json([await tell(clone), await tell(copy), request.url]);
      } };`,
      { method: "PUT", url: "https://fn.test/ä?b=1", headers: [["x-a", "1"]], body: "mine" },
    );
    const url = "https://fn.test/%C3%A4?b=1";
    assert.deepEqual(JSON.parse(answer.text), [
      ["PUT", url, "1", "manual", "cors", "mine"],
      ["PATCH", url, "1", "manual", "cors", "other"],
      url,
    ]);
  });

  test("keeps each set-cookie, and sends no body for HEAD and 204", async (t) => {
    const fixture = start(t);
    const source = `export default { fetch(request: Request) {
      const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
      return request.method === "HEAD" ? new Response("body", { headers }) : new Response(null, { status: 204 });
    } };`;
    const head = await open(fixture, source, { method: "HEAD" });
    const result = resultOf(await head.outcome) as unknown as HttpResponseHead & { body: string };
    assert.deepEqual(
      result.headers.filter(([name]) => name === "set-cookie").map(([, value]) => value),
      ["a=1", "b=2"],
    );
    assert.equal(result.body, "");
    assert.deepEqual(await ask(fixture, source).then(({ status, text }) => [status, text]), [204, ""]);
  });

  test("streams chunk by chunk, while it still makes them", async (t) => {
    const exchange = await open(
      start(t),
      `export default { fetch(request: Request) {
        const input = request.body!.pipeThrough(new TextDecoderStream());
        return new Response(input.pipeThrough(new TransformStream({
          transform(text, controller) { controller.enqueue(text.toUpperCase()); },
        })).pipeThrough(new TextEncoderStream()), { headers: { "content-type": "text/plain" } });
      } };`,
      { method: "POST", hasBody: true },
    );
    for (const word of ["one", "two"]) {
      const before = exchange.chunks.length;
      exchange.feed.data(Buffer.from(word));
      while (exchange.chunks.length === before) await exchange.next();
      assert.equal(exchange.chunks.at(-1)!.toString(), word.toUpperCase());
    }
    assert.equal(exchange.head?.status, 200);
    assert.equal(exchange.hasEnded, false);
    exchange.feed.end();
    assert.deepEqual(resultOf(await exchange.outcome), { status: 200, bodyBytes: 6 });
    assert.equal(exchange.hasEnded, true);
  });

  test("carries 8 MB there and back in 64 MB of memory, against credit", async (t) => {
    const exchange = await open(
      start(t),
      `export default { fetch: (request: Request) => new Response(request.body) };`,
      { method: "POST", hasBody: true, wallMs: 60_000 },
    );
    const block = Buffer.alloc(65_536, "x");
    let sentBytes = 0;
    while (sentBytes < 8_388_608) {
      while (sentBytes - exchange.pulledBytes > 262_144 - block.length) await exchange.next();
      exchange.feed.data(block);
      sentBytes += block.length;
    }
    exchange.feed.end();
    assert.deepEqual(resultOf(await exchange.outcome), { status: 200, bodyBytes: 8_388_608 });
    assert.equal(Buffer.concat(exchange.chunks).length, 8_388_608);
  });

  test("waits where nobody takes its response, and goes on when somebody does", async (t) => {
    const exchange = await open(
      start(t),
      `export default { fetch: () => new Response(new Uint8Array(1_000_000)) };`,
      {},
      false,
    );
    const received = () => Buffer.concat(exchange.chunks).length;
    while (received() < 262_144) await exchange.next();
    assert.equal(received(), 262_144);
    exchange.feed.pull(1_000_000);
    assert.deepEqual(resultOf(await exchange.outcome), { status: 200, bodyBytes: 1_000_000 });
  });

  test("ends its response before what it waits for", async (t) => {
    const exchange = await open(
      start(t),
      `export default { fetch(_: Request, __: object, ctx: any) {
        ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 50)).then(() => ctx.log.info("after")));
        return new Response("now");
      } };`,
    );
    while (!exchange.hasEnded) await exchange.next();
    assert.equal(Buffer.concat(exchange.chunks).toString(), "now");
    assert.deepEqual(resultOf(await exchange.outcome), { status: 200, bodyBytes: 3 });
  });

  test("hears by request.signal that its caller is gone, and its stream is cancelled", async (t) => {
    const { feed, outcome, next, ...exchange } = await open(
      start(t),
      `export default { fetch(request: Request, _: object, ctx: any) {
        request.signal.addEventListener("abort", () => ctx.log.info("gone"));
        let cancelled = () => {};
        ctx.waitUntil(new Promise<void>((resolve) => { cancelled = resolve; }));
        return new Response(new ReadableStream({
          start(controller) { controller.enqueue(new Uint8Array(10)); },
          cancel() { cancelled(); },
        }));
      } };`,
    );
    if (exchange.chunks.length === 0) await next();
    feed.leave();
    assert.deepEqual(resultOf(await outcome), { status: 200, bodyBytes: 10 });
  });

  test("cancelled while its response streams, cancels the stream and both signals; one that goes on is ended", async (t) => {
    const fixture = start(t);
    for (const last of ["", "await new Promise(() => {});", "for (;;);"]) {
      const stop = new AbortController();
      const exchange = await open(
        fixture,
        `export default { fetch(request: Request, _: object, ctx: any) {
          request.signal.addEventListener("abort", () => ctx.log.info("request aborted"));
          return new Response(new ReadableStream({
            start(controller) { controller.enqueue(new Uint8Array(10)); },
            async cancel(why) { ctx.log.info("cancel: " + why.message); ${last} },
          }));
        } };`,
        { signal: stop.signal },
      );
      if (exchange.chunks.length === 0) await exchange.next();
      stop.abort();
      assert.deepEqual(await exchange.outcome, { kind: "cancelled" });
      assert.equal(exchange.hasEnded, false, "its caller sees that it was broken off");
      const said = exchange.lines.map(({ message }) => message);
      if (last !== "for (;;);") assert.equal(said.splice(1).join(), "request aborted");
      assert.deepEqual(said, ["cancel: The run was cancelled"]);
    }
  });

  test("fails as function_error: what it throws, what is no Response, a stream that breaks", async (t) => {
    const fixture = start(t);
    const cases: [source: string, message: RegExp][] = [
      [`export default { fetch() { throw new Error("boom"); } };`, /^boom$/],
      [`export default { fetch: () => "text" };`, /must answer a Response/],
      [`export default { fetch: () => Response.error() };`, /Response\.error/],
      [
        `export default { async fetch() { const r = new Response("a"); await r.text(); return r; } };`,
        /already read/,
      ],
      [
        `export default { fetch: () => new Response("", { headers: { a: "x".repeat(70_000) } }) };`,
        /headers hold more/,
      ],
      [
        `export default { fetch: () => new Response(new ReadableStream({ pull() { throw new Error("broke"); } })) };`,
        /^broke$/,
      ],
      [
        `export default { fetch: () => new Response(new ReadableStream({ start(c) { c.enqueue("text"); } })) };`,
        /is not a Uint8Array/,
      ],
    ];
    for (const [source, message] of cases) {
      const exchange = await open(fixture, source);
      const error = errorOf(await exchange.outcome);
      assert.equal(error.code, "function_error");
      assert.match(error.message, message);
      assert.equal(exchange.hasEnded, false);
    }
  });

  test("cannot smuggle a head past the fetch standard", async (t) => {
    const fixture = start(t);
    const sources = [
      `Array.prototype.toJSON = function () { return [["a\\r\\nb", "c"]]; };
       export default { fetch: () => new Response("x") };`,
      `Array.prototype.toJSON = function () { return "headers"; };
       export default { fetch: () => new Response(new Uint8Array(3)) };`,
      `RegExp.prototype.test = () => true;
       export default { fetch: () => new Response("x", { headers: { "a b": "c" } }) };`,
    ];
    for (const source of sources) {
      const exchange = await open(fixture, source);
      assert.equal(errorOf(await exchange.outcome).code, "function_error");
      assert.equal(exchange.head, undefined);
    }
    assert.equal((await ask(fixture, `export default { fetch: () => new Response("well") };`)).text, "well");
  });

  test("answers a Hono app of another platform, unchanged, streams included", async (t) => {
    const contents = `
      import { Hono } from "hono";
      import { stream, streamSSE } from "hono/streaming";
      const app = new Hono();
      app.use(async (c, next) => { await next(); c.header("x-by", "hono"); });
      app.get("/hello/:name", (c) => c.json({ hello: c.req.param("name"), q: c.req.query("q") }));
      app.post("/echo", async (c) => c.text((await c.req.text()) + c.env.SUFFIX));
      app.get("/stream", (c) => stream(c, async (s) => { for (const word of ["a", "b"]) { await s.write(word); await s.sleep(5); } }));
      app.get("/events", (c) => streamSSE(c, async (s) => { for (let i = 0; i < 3; i++) { await s.writeSSE({ data: String(i) }); await s.sleep(5); } }));
      export default app;`;
    const bundle = await build({
      stdin: { contents, resolveDir: import.meta.dirname },
      bundle: true,
      format: "esm",
      write: false,
      logLevel: "silent",
    });
    const source = bundle.outputFiles[0]!.text;
    const fixture = start(t);
    const asked = { revisionId: "hono", env: { SUFFIX: "!" } };
    const hello = await ask(fixture, source, { ...asked, url: "https://fn.test/hello/bell?q=1" });
    assert.deepEqual(JSON.parse(hello.text), { hello: "bell", q: "1" });
    assert.equal(hello.headers["x-by"], "hono");
    const echo = await ask(fixture, source, {
      ...asked,
      method: "POST",
      url: "https://fn.test/echo",
      body: "loud",
    });
    assert.equal(echo.text, "loud!");
    assert.equal((await ask(fixture, source, { ...asked, url: "https://fn.test/none" })).status, 404);
    assert.equal((await ask(fixture, source, { ...asked, url: "https://fn.test/stream" })).text, "ab");
    const events = await ask(fixture, source, { ...asked, url: "https://fn.test/events" });
    assert.equal(events.text, "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    assert.match(events.headers["content-type"]!, /^text\/event-stream/);
  });
});

describe("a plain function over HTTP", () => {
  const echo = "export default (input: unknown) => input;";

  test("gets JSON, a form, text or the query, and its result is answered as JSON", async (t) => {
    const fixture = start(t);
    const post = (type: string, body: string) => ({
      method: "POST",
      headers: [["content-type", type]] as [string, string][],
      body,
    });
    const texts = [
      await ask(fixture, echo, post("application/json", '{"a":[1]}')),
      await ask(fixture, echo, post("application/x-www-form-urlencoded", "a=1&b=2&a=3")),
      await ask(fixture, echo, post("text/plain", "words")),
      await ask(fixture, echo, { url: "https://fn.test/?x=1&y=%C3%A9" }),
      await ask(fixture, echo),
    ].map(({ text }) => JSON.parse(text));
    assert.deepEqual(texts, [{ a: [1] }, { a: ["1", "3"], b: "2" }, "words", { x: "1", y: "é" }, null]);
  });

  test("is not called with a body that is no JSON; answers a Response as it is", async (t) => {
    const fixture = start(t);
    const bad = await ask(fixture, echo, {
      method: "POST",
      headers: [["content-type", "application/json"]],
      body: "{",
    });
    assert.equal(bad.status, 400);
    assert.equal(bad.headers["content-type"], "application/problem+json");
    const own = await ask(fixture, `export default () => new Response("tea", { status: 418 });`);
    assert.deepEqual([own.status, own.text], [418, "tea"]);
  });

  test("fails with the codes of its result and its shape", async (t) => {
    const fixture = start(t);
    const codeOf = async (source: string, options: Asked = {}) =>
      errorOf(await (await open(fixture, source, options)).outcome).code;
    assert.equal(await codeOf("export default () => 1n;"), "result_not_json");
    assert.equal(
      await codeOf(`export default () => "x".repeat(5_000);`, { limits: { resultBytes: 1_000 } }),
      "result_too_large",
    );
    assert.equal(await codeOf("export default { scheduled() {} };"), "unsupported_shape");
    assert.equal(
      await codeOf("export default () => new Promise(() => {});", { wallMs: 100 }),
      "function_timeout",
    );
  });
});
