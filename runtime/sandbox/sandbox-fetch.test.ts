/** `fetch` from inside the isolate to a real server and back. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { brotliCompressSync, constants } from "node:zlib";
import type { SubRequest } from "../../core/domain/attempt-facts.ts";
import { parseNetworks } from "../../core/egress/address-policy.ts";
import { createEgress } from "../../core/egress/egress.ts";
import { errorOf, resultOf, startSandboxFor } from "./sandbox-fixture.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function startServer(t: TestContext, answer: Answer): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function startWithEgress(t: TestContext) {
  const egress = createEgress({ allow: parseNetworks("127.0.0.0/8") });
  t.after(() => egress.close());
  return startSandboxFor(t, {}, { egress });
}

describe("fetch in a function", () => {
  test("sends method, headers and body, with the run's trace, and reads the answer", async (t) => {
    const url = await startServer(t, async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      const { method, headers } = request;
      response.writeHead(201, { "x-answer": "yes", "set-cookie": ["a=1", "b=2"] });
      response.end(
        JSON.stringify({ method, body, custom: headers["x-custom"], trace: headers["traceparent"] }),
      );
    });
    const { call } = startWithEgress(t);
    const source = `export default async (url: string) => {
      const response = await fetch(url, { method: "PUT", headers: { "x-custom": "c" }, body: JSON.stringify({ a: 1 }) });
      return [response.status, response.ok, response.headers.get("x-answer"), response.headers.getSetCookie(), await response.json()];
    };`;
    assert.deepEqual(resultOf(await call(source, { input: url })), [
      201,
      true,
      "yes",
      ["a=1", "b=2"],
      {
        method: "PUT",
        body: '{"a":1}',
        custom: "c",
        trace: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
      },
    ]);
  });

  test("streams both ways, the answer while the request is still under way", async (t) => {
    const url = await startServer(t, (request, response) => request.pipe(response));
    const { call } = startWithEgress(t);
    const source = `export default async (url: string) => {
      let send!: ReadableStreamDefaultController<Uint8Array>;
      const body = new ReadableStream<Uint8Array>({ start(controller) { send = controller; } });
      const answered = fetch(url, { method: "POST", body, duplex: "half" } as RequestInit);
      const said: string[] = [];
      send.enqueue(new TextEncoder().encode("one"));
      const reader = (await answered).body!.pipeThrough(new TextDecoderStream()).getReader();
      said.push((await reader.read()).value!);
      send.enqueue(new TextEncoder().encode("two"));
      said.push((await reader.read()).value!);
      send.close();
      return [...said, (await reader.read()).done];
    };`;
    assert.deepEqual(resultOf(await call(source, { input: url })), ["one", "two", true]);
  });

  test("carries 5 MB there and back whole, in 64 MB of memory", async (t) => {
    const url = await startServer(t, (request, response) => request.pipe(response));
    const { call } = startWithEgress(t);
    const source = `export default async (url: string) => {
      const sent = new Uint8Array(5_000_000).map((_, index) => (index * 31) % 251);
      const back = new Uint8Array(await (await fetch(url, { method: "POST", body: sent })).arrayBuffer());
      return back.length === sent.length && back.every((byte, index) => byte === sent[index]);
    };`;
    assert.equal(resultOf(await call(source, { input: url, wallMs: 20_000 })), true);
  });

  test("reads encoded answers one after another, and lets go of short ones that nobody reads", async (t) => {
    const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 5 };
    const long = brotliCompressSync(Buffer.alloc(3_000_000, "long "), { params });
    const url = await startServer(t, (request, response) => {
      const body = request.url === "/long" ? long : brotliCompressSync("short");
      response.writeHead(200, { "content-encoding": "br" }).end(body);
    });
    const { call } = startWithEgress(t);
    const source = `export default async (url: string) => {
      for (let i = 0; i < 20; i++) if (!(await fetch(url)).ok) throw new Error("not ok");
      const open = await Promise.all([1, 2, 3, 4].map(() => fetch(url + "long")));
      const lengths: number[] = [];
      for (const response of open.reverse()) lengths.push((await response.clone().text()).length);
      return [await (await fetch(url)).text(), ...lengths];
    };`;
    const limits = { memoryMb: 64 };
    assert.deepEqual(resultOf(await call(source, { input: url, limits, wallMs: 20_000 })), [
      "short",
      ...Array(4).fill(3_000_000),
    ]);
  });

  test("ends with the run: what is still open is closed", async (t) => {
    let closed = () => {};
    const isClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const url = await startServer(t, (_request, response) => {
      response.on("close", () => closed());
      response.write("begun");
    });
    const { call } = startWithEgress(t);
    const source = `export default async (url: string) => {
      const reader = (await fetch(url)).body!.getReader();
      await reader.read();
      void reader.read();
      return "done";
    };`;
    assert.equal(resultOf(await call(source, { input: url })), "done");
    await isClosed;
  });

  test("obeys an abort signal and a timeout", async (t) => {
    const url = await startServer(t, () => {});
    const { call } = startWithEgress(t);
    const source = `export default async (url: string) => {
      const name = (promise: Promise<unknown>) => promise.then(() => "answered", (error) => error.name);
      const controller = new AbortController();
      const aborted = name(fetch(url, { signal: controller.signal }));
      controller.abort();
      return [await aborted, await name(fetch(url, { signal: AbortSignal.timeout(20) }))];
    };`;
    assert.deepEqual(resultOf(await call(source, { input: url })), ["AbortError", "TimeoutError"]);
  });

  test("counts subrequests, redirects among them, and says when they are used up", async (t) => {
    const url = await startServer(t, (request, response) => {
      if (request.url === "/hop") response.writeHead(302, { location: "/" }).end();
      else response.end("here");
    });
    const { call } = startWithEgress(t);
    const source = `export default async (url: string) => {
      const texts = [await (await fetch(url + "hop")).text(), await (await fetch(url)).text()];
      const refused = await fetch(url).catch((error) => [error.name, error.cause?.code, error.message]);
      return [texts, refused];
    };`;
    const [texts, refused] = resultOf(await call(source, { input: url, limits: { subrequests: 3 } })) as [
      string[],
      string[],
    ];
    assert.deepEqual(texts, ["here", "here"]);
    assert.deepEqual(refused.slice(0, 2), ["TypeError", "subrequest_limit"]);
    assert.match(refused[2]!, /may make 3 requests/);
  });

  test("each request is told of when it is over: with its status, or why there was none, and without its path", async (t) => {
    const url = await startServer(t, (request, response) => {
      if (request.url === "/held") return;
      response.writeHead(404).end("no");
    });
    const told: SubRequest[] = [];
    const { call } = startWithEgress(t);
    const source = `export default async (url: string) => {
      await (await fetch(url + "secret?token=1", { method: "PUT" })).text();
      await fetch("http://10.1.2.3/").catch(() => {});
      fetch(url + "held").catch(() => {});
    };`;
    await call(source, { input: url, onRequest: (request) => told.push(request) });
    const { host } = new URL(url);
    assert.ok(told.every(({ tookMs }) => tookMs >= 0));
    assert.deepEqual(
      told.map(({ tookMs: _, ...request }) => request),
      [
        { method: "PUT", host, status: 404 },
        { method: "GET", host: "10.1.2.3", error: "address_blocked" },
        { method: "GET", host, error: "cancelled" },
      ],
    );
  });

  test("reaches no address that is not public, by whatever name or redirect", async (t) => {
    const egress = createEgress({ allow: [] });
    t.after(() => egress.close());
    const { call } = startSandboxFor(t, {}, { egress });
    const addresses = [
      "http://127.0.0.1/",
      "http://169.254.169.254/latest/meta-data/",
      "http://[::ffff:127.0.0.1]/",
      "http://2130706433/",
      "http://0x7f.1/",
      "http://[64:ff9b::7f00:1]/",
      "http://10.0.0.1/",
      "http://localhost/",
    ];
    const source = `export default (urls: string[]) => Promise.all(urls.map((url) =>
      fetch(url).then(() => "reached", (error) => error.cause?.code)));`;
    assert.deepEqual(
      resultOf(await call(source, { input: addresses })),
      addresses.map(() => "address_blocked"),
    );
  });

  test("left behind by an earlier run says nothing to the next one", async (t) => {
    let slow: ServerResponse | undefined;
    const url = await startServer(t, (request, response) => {
      if (request.url === "/slow") slow = response;
      // The late answer is out before the one that the second run waits for.
      else if (slow && !slow.destroyed) slow.end("late", () => response.end("fresh"));
      else response.end("fresh");
    });
    const { call } = startWithEgress(t);
    const source = `let late = "nothing";
    export default async (url: string) => {
      if (url.endsWith("slow")) {
        fetch(url).then((response) => response.text()).then((text) => { late = text; }, () => {});
        return "left";
      }
      return [await (await fetch(url)).text(), late];
    };`;
    const revisionId = "leaves a fetch behind";
    assert.equal(resultOf(await call(source, { input: `${url}slow`, revisionId })), "left");
    assert.deepEqual(resultOf(await call(source, { input: url, revisionId })), ["fresh", "nothing"]);
  });

  test("with a head that is too large fails alone, and its neighbours go on", async (t) => {
    const { call } = startWithEgress(t);
    const source = `export default () => Promise.all([
      { method: "X".repeat(200) },
      { headers: Array.from({ length: 10_001 }, (_, n) => ["x" + n, "y"]) },
      { headers: { x: "y".repeat(5_000_000) } },
    ].map((init) => fetch("https://example.com/", init as RequestInit).then(() => "sent", (error) => error.cause?.code)))`;
    const codes = resultOf(await call(source, { wallMs: 20_000 })) as string[];
    assert.deepEqual(codes, ["invalid_request", "invalid_request", "invalid_request"]);
  });

  test("without a way out says so", async (t) => {
    const { call } = startSandboxFor(t);
    const { message } = errorOf(await call(`export default () => fetch("https://example.com/")`));
    assert.match(message, /cannot reach the network from here/);
  });
});

test("short functions that now and then fetch get their answers, in batches too", async (t) => {
  const url = await startServer(t, (_request, response) => response.end("answer"));
  const { begin } = startWithEgress(t);
  const source = `export default async (input: { n: number; url: string }) =>
    input.n % 50 === 49 ? (await fetch(input.url)).text() : input.n;`;
  const calls = await Promise.all(
    Array.from({ length: 300 }, (_, n) =>
      begin(source, { input: { n, url }, revisionId: "now and then", wallMs: 60_000 }),
    ),
  );
  for (const [n, { outcome }] of calls.entries()) {
    assert.equal(resultOf(await outcome), n % 50 === 49 ? "answer" : n);
  }
});
