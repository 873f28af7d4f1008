import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import {
  brotliCompressSync,
  constants,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createRecording } from "../../test/support/recording.ts";
import { parseNetworks } from "./address-policy.ts";
import type { Resolve } from "./connector.ts";
import { createEgress, type Egress, type EgressOptions } from "./egress.ts";
import { EgressError, type EgressErrorCode } from "./egress-error.ts";
import type { EgressStreamRequest, EgressStreamResponse } from "./stream.ts";

const LOOPBACK = parseNetworks("127.0.0.1");
const MEGABYTE = 1_048_576;

let server: http.Server;
let origin: string;
let answer: http.RequestListener;
let received: { method: string; path: string; headers: http.IncomingHttpHeaders }[] = [];
let egress: Egress;
const opened: Egress[] = [];

function open(options: Partial<EgressOptions> = {}): Egress {
  const made = createEgress({ allow: [], ...options });
  opened.push(made);
  return made;
}

function send(path: string, changes: Partial<EgressStreamRequest> = {}, through = egress) {
  return through.stream({
    tenant: "t",
    url: path.startsWith("/") ? origin + path : path,
    method: "GET",
    headers: {},
    redirect: "follow",
    signal: new AbortController().signal,
    ...changes,
  });
}

async function textOf({ body }: EgressStreamResponse): Promise<string> {
  assert.ok(body, "there is a body");
  return (await readAll(body)).toString();
}

async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function assertFails(promise: Promise<unknown>, code: EgressErrorCode): Promise<EgressError> {
  const error = await promise.then(
    () => assert.fail("the request was answered"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof EgressError, String(error));
  assert.equal(error.code, code, error.message);
  return error;
}

/** Tells that what moved has not moved for a while; on a slow machine too early, which spoils no test. */
function watchForStall() {
  const { promise, resolve } = Promise.withResolvers<void>();
  let idle: NodeJS.Timeout | undefined;
  const end = () => clearTimeout(idle);
  const moved = () => {
    end();
    idle = setTimeout(resolve, 200);
  };
  return { happened: promise, moved, end };
}

/** A TCP server that does as it is told with each connection. */
async function withSockets<T>(
  onSocket: (socket: net.Socket) => void,
  use: (url: string) => Promise<T>,
): Promise<T> {
  const sockets = new Set<net.Socket>();
  const raw = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  await once(raw.listen(0, "127.0.0.1"), "listening");
  try {
    return await use(`http://127.0.0.1:${(raw.address() as AddressInfo).port}/`);
  } finally {
    for (const socket of sockets) socket.destroy();
    raw.close();
  }
}

before(async () => {
  server = http.createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    received.push({ method, path: url, headers });
    answer(request, response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  received = [];
  answer = (request, response) => void request.resume().on("end", () => response.end("ok"));
  egress = open({ allow: LOOPBACK });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
});
after(() => {
  server.close();
  server.closeAllConnections();
});

describe("a streamed response", () => {
  it("has its status, its text and every field in its order", async () => {
    answer = (_, response) => {
      response
        .writeHead(201, "Well Made", ["Set-Cookie", "a=1", "X-One", "é", "Set-Cookie", "b=2"])
        .end("made");
    };
    const response = await send("/p?q=1#f");
    const { status, statusText, url, redirected, headers } = response;
    assert.deepEqual([status, statusText, url, redirected], [201, "Well Made", `${origin}/p?q=1`, false]);
    assert.deepEqual(headers.slice(0, 3), [
      ["Set-Cookie", "a=1"],
      ["X-One", "é"],
      ["Set-Cookie", "b=2"],
    ]);
    assert.equal(await textOf(response), "made");
  });

  it("brings its head before its body, and each part as it comes", async () => {
    let more!: http.ServerResponse;
    answer = (_, response) => {
      more = response;
      response.write("one");
    };
    const { body } = await send("/");
    const chunks = body![Symbol.asyncIterator]();
    assert.equal(String((await chunks.next()).value), "one");
    more.end("two");
    assert.equal(String((await chunks.next()).value), "two");
    assert.equal((await chunks.next()).done, true);
  });

  it("has no body for HEAD, 204 and 304, and leaves the connection usable", async () => {
    let connections = 0;
    const count = () => connections++;
    server.on("connection", count);
    const cases = [["HEAD", 200], ...Array(4).fill(["GET", 204]), ...Array(4).fill(["GET", 304])];
    for (const [method, status] of cases) {
      answer = (_, response) => response.writeHead(status, { "content-encoding": "gzip" }).end();
      const response = await send("/", { method });
      assert.deepEqual([response.status, response.body], [status, null]);
    }
    server.off("connection", count);
    // undici itself closes after HEAD.
    assert.ok(connections <= 3, `${connections} connections for ${cases.length} requests`);
  });

  it("waits in the server while nobody reads it", async () => {
    const stall = watchForStall();
    let written = 0;
    answer = (_, response) => {
      const pour = () => {
        stall.moved();
        let goesOn = true;
        while (goesOn && written < 64 * MEGABYTE) {
          written += MEGABYTE;
          goesOn = response.write(Buffer.alloc(MEGABYTE));
        }
        if (goesOn) response.end();
      };
      response.on("drain", pour);
      pour();
    };
    const { body } = await send("/");
    await stall.happened;
    assert.ok(written < 48 * MEGABYTE, `${written} bytes were poured out to nobody`);
    let bytes = 0;
    for await (const part of body!) bytes += part.length;
    stall.end();
    assert.equal(bytes, 64 * MEGABYTE);
  });

  it("closes its connection when it is left before its end", async () => {
    const closed = new Promise<void>((resolve) => {
      answer = (_, response) => {
        response.on("close", resolve).write("x");
      };
    });
    for await (const _ of (await send("/")).body!) break;
    await closed;
  });

  it("fails after its head when the connection breaks, however it was framed", async () => {
    for (const head of [
      "content-length: 100\r\n",
      "content-length: 100\r\nconnection: close\r\n",
      "transfer-encoding: chunked\r\n",
      "transfer-encoding: chunked\r\nconnection: close\r\n",
    ]) {
      const body = head.includes("chunked") ? "4\r\nhalf\r\n" : "half";
      await withSockets(
        (socket) => socket.once("data", () => socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n${body}`)),
        async (url) => {
          const response = await send(url);
          assert.equal(response.status, 200);
          await assertFails(textOf(response), "connection_reset");
        },
      );
    }
  });

  it("is ended by the caller before its head, and in the midst of its body", async () => {
    answer = () => {};
    const early = new AbortController();
    const arrived = once(server, "request");
    const request = send("/", { signal: early.signal });
    await arrived;
    early.abort();
    await assertFails(request, "aborted");

    const late = new AbortController();
    const closed = new Promise<void>((resolve) => {
      answer = (_, response) => {
        response.on("close", resolve).write("half");
      };
    });
    const { body } = await send("/", { signal: late.signal });
    const chunks = body![Symbol.asyncIterator]();
    await chunks.next();
    const next = chunks.next();
    late.abort();
    await assertFails(next, "aborted");
    await closed;
    await assertFails(send("/", { signal: AbortSignal.abort() }), "aborted");
  });

  it("tells of a break that happened before anybody read it", async () => {
    const caller = new AbortController();
    answer = (_, response) => void response.write("half");
    const { body } = await send("/", { signal: caller.signal });
    caller.abort();
    await assertFails(readAll(body!), "aborted");
  });

  it("is cut off beyond the caller's bound, encoded or not", async () => {
    answer = (_, response) => response.end("x".repeat(2_000));
    await assertFails(send("/", { maxResponseBytes: 1_999 }).then(textOf), "response_too_large");
    assert.equal((await textOf(await send("/", { maxResponseBytes: 2_000 }))).length, 2_000);
    const bomb = gzipSync(Buffer.alloc(MEGABYTE));
    answer = (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
    await assertFails(send("/", { maxResponseBytes: 100_000 }).then(textOf), "response_too_large");
  });
});

describe("a content encoding", () => {
  const text = "some text ".repeat(10_000);
  const plain = Buffer.from(text);
  const cases: [string, Buffer][] = [
    ["gzip", gzipSync(plain)],
    ["X-GZip", gzipSync(plain)],
    ["deflate", deflateSync(plain)],
    ["deflate", deflateRawSync(plain)],
    ["br", brotliCompressSync(plain)],
    ["zstd", zstdCompressSync(plain)],
    ["gzip, br", brotliCompressSync(gzipSync(plain))],
    ["identity", plain],
  ];
  for (const [coding, encoded] of cases) {
    it(`${coding} is undone (${encoded.length} bytes), and no field speaks of the encoded bytes any more`, async () => {
      answer = (_, response) => {
        response
          .writeHead(200, {
            "Content-Encoding": coding,
            "content-length": encoded.length,
            "content-md5": "x",
            "accept-ranges": "bytes",
            etag: '"1"',
          })
          .end(encoded);
      };
      const fields = ["content-encoding", "content-length", "content-md5", "accept-ranges", "etag"];
      for (const method of ["GET", "HEAD"]) {
        const response = await send("/", { method });
        if (method === "GET") assert.equal(await textOf(response), text);
        const names = response.headers.map(([name]) => name.toLowerCase());
        const kept = coding === "identity" ? fields : ["etag"];
        assert.deepEqual(
          fields.filter((name) => names.includes(name)),
          kept,
        );
        const tag = response.headers.find(([name]) => name.toLowerCase() === "etag")?.[1];
        assert.equal(
          tag,
          coding === "identity" ? '"1"' : 'W/"1"',
          "of other bytes than were sent it is weak",
        );
      }
    });
  }

  it("is not named by a 304 either, which speaks of the body that was kept", async () => {
    answer = (_, response) => response.writeHead(304, { "content-encoding": "gzip", etag: '"1"' }).end();
    const { headers } = await send("/");
    assert.deepEqual(
      headers.map(([name]) => name.toLowerCase()).filter((name) => /^(content-encoding|etag)$/.test(name)),
      ["etag"],
    );
  });

  it("that is unknown leaves the body as it is; none at all is needed for an empty one", async () => {
    answer = (_, response) => response.writeHead(200, { "content-encoding": "gzip, own" }).end("as it is");
    const odd = await send("/");
    assert.equal(await textOf(odd), "as it is");
    assert.deepEqual(
      odd.headers.filter(([name]) => name === "content-encoding"),
      [["content-encoding", "gzip, own"]],
    );
    for (const coding of ["gzip", "deflate", "br", "zstd"]) {
      answer = (_, response) => response.writeHead(200, { "content-encoding": coding }).end();
      assert.equal(await textOf(await send("/")), "");
    }
  });

  it("that is not what it says fails, as does one laid on three times", async () => {
    answer = (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("no gzip");
    await assertFails(send("/").then(textOf), "bad_response");
    answer = (_, response) => {
      response.writeHead(200, { "content-encoding": "gzip,gzip,gzip" }).end("x");
    };
    await assertFails(send("/"), "bad_response");
  });

  it("is bounded in between as well: what swells to much that comes to nothing is cut off", async () => {
    const nothing = Buffer.concat(Array.from({ length: 20_000 }, () => gzipSync("")));
    const encoded = gzipSync(nothing);
    answer = (_, response) => response.writeHead(200, { "content-encoding": "gzip, gzip" }).end(encoded);
    assert.equal(await textOf(await send("/", { maxResponseBytes: nothing.length })), "");
    const cut = await send("/", { maxResponseBytes: nothing.length - 1 });
    await assertFails(textOf(cut), "response_too_large");
  });

  describe("held back", () => {
    const zeros = Buffer.alloc(50 * MEGABYTE);
    const lgwin = (windowLog: number) =>
      brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_LGWIN]: windowLog } });
    const bomb = lgwin(24);
    const bombs: [string, Buffer][] = [
      ["br", bomb],
      ["br, br", brotliCompressSync(bomb)],
      ["gzip, br", brotliCompressSync(gzipSync(zeros))],
      ["zstd", zstdCompressSync(zeros, { params: { [constants.ZSTD_c_windowLog]: 23 } })],
      ["gzip", gzipSync(zeros)],
      ["deflate", deflateSync(zeros)],
    ];
    const answerWith = (coding: string, body: Buffer) => {
      answer = (_, response) => response.writeHead(200, { "content-encoding": coding }).end(body);
    };
    const wanted = async () => {};
    const begin = async (through: Egress, changes: Partial<EgressStreamRequest> = {}) => {
      const { body } = await send("/", changes, through);
      const chunks = body![Symbol.asyncIterator]();
      return { chunks, first: chunks.next() };
    };

    for (const [coding, body] of bombs) {
      it(`${coding}: what nobody reads is not decoded, and what is begun stays within its bound`, async () => {
        answerWith(coding, body);
        const limited = open({ allow: LOOPBACK });
        const run = { holder: {}, maxBytes: 40 * MEGABYTE };
        const reading = Promise.withResolvers<void>();
        const before = process.memoryUsage().rss;
        const callers = Array.from({ length: 16 }, () => new AbortController());
        const begun = callers.map(async ({ signal }) => {
          const { chunks, first } = await begin(limited, {
            signal,
            decoding: { ...run, wanted: () => reading.promise },
          });
          return { chunks, first: first.catch((thrown: unknown) => thrown as EgressError) };
        });
        const all = await Promise.all(begun);
        const isGrown = (megabytes: number) => process.memoryUsage().rss - before > megabytes * MEGABYTE;
        assert.ok(!isGrown(60), "nothing was read, and much was held");
        reading.resolve();
        const first = await Promise.race(all.map(({ first }) => first));
        assert.ok(!(first instanceof EgressError) && first.value!.length > 0);
        assert.ok(!isGrown(120), "a run held more than it may");
        for (const caller of callers) caller.abort();
        await Promise.all(all.map(async ({ chunks, first }) => [await first, await chunks.return?.()]));
      });
    }

    it("decodes all of a run's answers in turn, where it may hold one decoder at a time", async () => {
      answerWith("br", bomb);
      const decoding = { holder: {}, maxBytes: 20 * MEGABYTE, wanted };
      const bodies = await Promise.all([1, 2, 3, 4].map(async () => (await send("/", { decoding })).body!));
      const sizes = bodies.map(async (body) => {
        let bytes = 0;
        for await (const chunk of body) bytes += chunk.length;
        return bytes;
      });
      assert.deepEqual(await Promise.all(sizes), [zeros.length, zeros.length, zeros.length, zeros.length]);
    });

    it("fails after ten seconds where no memory comes free, and at once what could never be decoded", async () => {
      const clock = createManualClock();
      const limited = open({ allow: LOOPBACK, clock });
      answerWith("br", bomb);
      const decoding = { holder: {}, maxBytes: 20 * MEGABYTE, wanted };
      const held = await begin(limited, { decoding });
      await held.first;
      const late = await begin(limited, { decoding });
      const failing = assertFails(late.first, "overloaded");
      await clock.waitForSleepers(1);
      await clock.advance(10_000);
      await failing;
      await held.chunks.return?.();
      await (await begin(limited, { decoding })).first;
      answerWith("br, br", brotliCompressSync(bomb));
      await assertFails((await begin(limited, { decoding })).first, "response_too_large");
    });

    it("ends a tenant's oldest answer where another tenant has waited for its memory", async () => {
      const clock = createManualClock();
      const decoderMemory = { tenantBytes: 40 * MEGABYTE, totalBytes: 40 * MEGABYTE };
      const limited = open({ allow: LOOPBACK, clock, decoderMemory });
      answerWith("br", bomb);
      const oldest = await begin(limited);
      await oldest.first;
      const other = await begin(limited);
      await other.first;
      const neighbour = await begin(limited, { tenant: "other" });
      await clock.waitForSleepers(1);
      await clock.advance(1_000);
      assert.ok((await neighbour.first).value!.length > 0);
      await assertFails(oldest.chunks.next(), "overloaded");
      assert.ok((await other.chunks.next()).value!.length > 0);
    });

    it("needs little of the window for a short answer, and waits for no reader of it", async () => {
      const text = '{"ok":true}'.repeat(100);
      const decoderMemory = { tenantBytes: 4 * MEGABYTE, totalBytes: 4 * MEGABYTE };
      const limited = open({ allow: LOOPBACK, decoderMemory });
      answerWith("br", brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_LGWIN]: 24 } }));
      const decoding = { holder: {}, maxBytes: 4 * MEGABYTE, wanted: () => new Promise<void>(() => {}) };
      const { first } = await begin(limited, { decoding });
      assert.equal(Buffer.from((await first).value!).toString(), text);
    });

    it("ends with its caller, while it waits to be read and while it waits for memory", async () => {
      answerWith("br", bomb);
      const decoding = { holder: {}, maxBytes: 20 * MEGABYTE };
      const read = Promise.withResolvers<void>();
      const caller = new AbortController();
      const unread = await begin(egress, {
        signal: caller.signal,
        decoding: { ...decoding, wanted: () => read.promise },
      });
      const held = await begin(egress, { decoding: { ...decoding, wanted } });
      await held.first;
      const waiting = await begin(egress, { signal: caller.signal, decoding: { ...decoding, wanted } });
      caller.abort();
      read.resolve();
      await assertFails(unread.first, "aborted");
      await assertFails(waiting.first, "aborted");
      await held.chunks.return?.();
      await (await begin(egress, { decoding: { ...decoding, wanted } })).first;
    });

    it("gives its memory back with its caller, though nobody reads on", async () => {
      answerWith("br", bomb);
      const decoding = { holder: {}, maxBytes: 20 * MEGABYTE, wanted };
      for (let i = 0; i < 5; i++) {
        const caller = new AbortController();
        await (await begin(egress, { signal: caller.signal, decoding })).first;
        caller.abort();
      }
    });
  });

  it("makes no more of a bomb than is read", async () => {
    const bomb = gzipSync(Buffer.alloc(256 * MEGABYTE));
    answer = (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
    const { body } = await send("/");
    const before = process.memoryUsage().rss;
    const chunks = body![Symbol.asyncIterator]();
    for (let i = 0; i < 10; i++) assert.ok((await chunks.next()).value!.length <= 65_536);
    const grown = process.memoryUsage().rss - before;
    await chunks.return?.();
    assert.ok(grown < 64 * MEGABYTE, `${grown} bytes more`);
  });
});

describe("a streamed request", () => {
  async function* chunksOf(...chunks: string[]): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }

  it("sends its chunks as they come, in chunked encoding or at the length that was said", async () => {
    const echo: http.RequestListener = (request, response) => void request.pipe(response);
    answer = echo;
    const post = { method: "POST", headers: { "Content-Length": "1" } };
    assert.equal(await textOf(await send("/", { ...post, body: chunksOf("a", "", "bc") })), "abc");
    assert.equal(await textOf(await send("/", { ...post, body: chunksOf("a", "bc"), bodyBytes: 3 })), "abc");
    assert.equal(await textOf(await send("/", { ...post, body: Buffer.from("abc") })), "abc");
    assert.deepEqual(
      received.map(({ headers }) => [headers["transfer-encoding"], headers["content-length"]]),
      [
        ["chunked", undefined],
        [undefined, "3"],
        [undefined, "3"],
      ],
    );
  });

  it("whose length is not as said fails", async () => {
    for (const body of [() => chunksOf("a"), () => chunksOf("abcd")]) {
      const request = send("/", { method: "POST", body: body(), bodyBytes: 3 });
      await assertFails(request, "invalid_request");
    }
  });

  it("waits while the server does not read", async () => {
    const stall = watchForStall();
    const returned = Promise.withResolvers<void>();
    let asked = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (; asked < 1_000; asked++) {
          stall.moved();
          yield Buffer.alloc(65_536);
        }
      } finally {
        returned.resolve();
      }
    }
    answer = (request) => void request.pause();
    const caller = new AbortController();
    const request = send("/", { method: "POST", body: endless(), signal: caller.signal });
    await stall.happened;
    assert.ok(asked < 400, `${asked} chunks of 64 KB were taken for a server that reads none`);
    caller.abort();
    await assertFails(request, "aborted");
    await returned.promise;
  });

  it("returns its chunks at once when the caller ends it, though the next one never comes", async () => {
    const caller = new AbortController();
    const returned = Promise.withResolvers<void>();
    const arrived = once(server, "request");
    let first = true;
    const body: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          if (!first) return new Promise(() => {});
          first = false;
          return { done: false, value: Buffer.from("a") };
        },
        return: async () => {
          returned.resolve();
          return { done: true, value: undefined };
        },
      }),
    };
    const request = send("/", { method: "POST", body, signal: caller.signal });
    await arrived;
    caller.abort();
    await assertFails(request, "aborted");
    await returned.promise;
  });

  it("fails when its chunks do", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("a");
      throw new Error("no more");
    }
    const error = await assertFails(send("/", { method: "POST", body: broken() }), "aborted");
    assert.match(error.message, /no more/);
  });

  it("has its answer even where that is complete before the request is", async () => {
    const returned = Promise.withResolvers<void>();
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(65_536);
      } finally {
        returned.resolve();
      }
    }
    answer = (_, response) => response.writeHead(413).end("too much");
    const response = await send("/", { method: "POST", body: endless() });
    assert.deepEqual([response.status, await textOf(response)], [413, "too much"]);
    await returned.promise;
    answer = (_, response) => response.end("next");
    assert.equal(await textOf(await send("/")), "next");
  });

  it("carries 10 MB there and back unchanged", async () => {
    answer = (request, response) => void request.pipe(response);
    const sent = createHash("sha256");
    async function* body(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 160; i++) {
        const chunk = Buffer.alloc(65_536, `${i} of them;`);
        sent.update(chunk);
        yield chunk;
      }
    }
    const back = createHash("sha256");
    for await (const chunk of (await send("/", { method: "PUT", body: body() })).body!) back.update(chunk);
    assert.equal(back.digest("hex"), sent.digest("hex"));
  });
});

describe("redirects of a streamed request", () => {
  const redirect =
    (status: number, location = "/end"): http.RequestListener =>
    (request, response) => {
      request.resume();
      if (request.url === "/end") response.end(`${request.method} end`);
      else response.writeHead(status, { location }).end("moved");
    };
  async function* once_(text: string): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text);
  }

  it("are followed, told of, and counted by whoever wants to", async () => {
    answer = redirect(302);
    let hops = 0;
    const response = await send("/start", { onRedirect: () => hops++ });
    assert.deepEqual([response.url, response.redirected, hops], [`${origin}/end`, true, 1]);
    assert.equal(await textOf(response), "GET end");
    const enough = new Error("enough");
    const refusing = send("/start", {
      onRedirect: () => {
        throw enough;
      },
    });
    await assert.rejects(refusing, (thrown) => thrown === enough);
    assert.equal(received.length, 3);
  });

  it("are returned by `manual` and refused by `error`", async () => {
    answer = redirect(302);
    const response = await send("/start", { redirect: "manual" });
    const location = response.headers.find(([name]) => name === "location");
    assert.deepEqual([response.status, location?.[1], response.redirected], [302, "/end", false]);
    assert.equal(await textOf(response), "moved");
    await assertFails(send("/start", { redirect: "error" }), "unexpected_redirect");
    assert.equal(received.length, 2);
  });

  it("repeat a whole body and no stream, and drop either where the method turns to GET", async () => {
    answer = redirect(307);
    const whole = await send("/start", { method: "POST", body: Buffer.from("a") });
    assert.equal(await textOf(whole), "POST end");
    await assertFails(send("/start", { method: "POST", body: once_("a") }), "body_not_replayable");
    answer = redirect(303);
    const dropped = await send("/start", { method: "POST", body: once_("a"), bodyBytes: 1 });
    assert.equal(await textOf(dropped), "GET end");
    assert.equal(received.at(-1)!.headers["content-length"], undefined);
  });

  it("take credentials to no other origin, and the author's other fields along", async () => {
    const other = `http://localhost:${new URL(origin).port}`;
    answer = redirect(302, `${other}/end`);
    const resolve: Resolve = async () => [{ address: "127.0.0.1", family: 4 }];
    const headers = { Authorization: "Bearer s", Cookie: "c=1", "X-Own": "1" };
    await send("/start", { headers }, open({ allow: LOOPBACK, resolve })).then(textOf);
    const [first, second] = received;
    assert.deepEqual([first!.headers.authorization, first!.headers.cookie], ["Bearer s", "c=1"]);
    const { authorization, cookie, "x-own": own } = second!.headers;
    assert.deepEqual([authorization, cookie, own], [undefined, undefined, "1"]);
  });

  it("end after twenty", async () => {
    answer = redirect(302, "/again");
    await assertFails(send("/start"), "too_many_redirects");
    assert.equal(received.length, 21);
  });

  it("to a blocked address, port or scheme are refused", async () => {
    for (const [target, code] of [
      ["http://169.254.169.254/latest/meta-data", "egress_blocked"],
      ["http://[::1]/", "egress_blocked"],
      [`${origin.replace(/\d+$/, "25")}/`, "port_blocked"],
      ["file:///etc/passwd", "bad_redirect"],
    ] as const) {
      answer = redirect(302, target);
      await assertFails(send("/start"), code);
    }
  });
});

describe("addresses of a streamed request", () => {
  it("are refused inside, by literal and by name, and at other protocols' ports", async () => {
    const strict = open({ resolve: async () => [{ address: "10.0.0.1", family: 4 }] });
    for (const url of ["http://169.254.169.254/", "http://127.1/", "http://inside.example/"]) {
      await assertFails(send(url, {}, strict), "egress_blocked");
    }
    for (const _ of [1, 2]) await assertFails(send("http://93.184.215.14:25/"), "port_blocked");
  });

  it("have connections of their own, which no whole request waits for", async () => {
    const narrow = open({ allow: LOOPBACK, connectionsPerOrigin: 1 });
    answer = (_, response) => void response.write("held");
    const holder = new AbortController();
    const held = await send("/", { signal: holder.signal }, narrow);
    answer = (_, response) => response.end("ok");
    const whole = await narrow.request({
      url: origin,
      method: "GET",
      headers: {},
      followRedirects: false,
      signal: new AbortController().signal,
      maxResponseBytes: 10,
    });
    assert.equal(whole.status, 200);
    await assertFails(send("/", { connectTimeoutMs: 1 }, narrow), "connect_failed");
    holder.abort();
    await assertFails(textOf(held), "aborted");
    assert.equal(await textOf(await send("/", {}, narrow)), "ok");
  });

  it("keep no more connections than a tenant may have, and those of its neighbour", async () => {
    const narrow = open({ allow: LOOPBACK, keptConnectionsPerTenant: 2 });
    const held: http.ServerResponse[] = [];
    const arrived = createRecording<http.ServerResponse>("response");
    answer = (_, response) => {
      held.push(response);
      arrived.add(response);
    };
    const sending = [1, 2, 3, 4, 5].map(() => send("/", {}, narrow));
    await arrived.waitFor(() => true, { count: 5 });
    const closed = held.map((response) => once(response.socket!, "close"));
    const neighbour = send("/", { tenant: "other" }, narrow);
    await arrived.waitFor(() => true, { count: 6 });
    for (const response of held) response.end("ok");
    for (const response of await Promise.all([...sending, neighbour])) {
      assert.equal(await textOf(response), "ok");
    }
    const keeps = held.map(({ shouldKeepAlive }) => shouldKeepAlive);
    assert.deepEqual(keeps.slice(0, 5).filter(Boolean).length, 2);
    assert.equal(keeps[5], true);
    await Promise.all(closed.filter((_, i) => !keeps[i]));
  });

  it("lose their own oldest connections to a tenant's many hosts, not a neighbour's", async () => {
    const resolve: Resolve = async () => [{ address: "127.0.0.1", family: 4 }];
    const narrow = open({ allow: LOOPBACK, resolve, maxOriginsPerTenant: 2 });
    const ports: (number | undefined)[] = [];
    answer = (request, response) => {
      ports.push(request.socket.remotePort);
      response.end("ok");
    };
    const { port } = new URL(origin);
    const ask = async (host: string, tenant: string) => {
      assert.equal(await textOf(await send(`http://${host}:${port}/`, { tenant }, narrow)), "ok");
      return ports.at(-1);
    };
    const neighbour = await ask("a.example", "other");
    const first = await ask("a.example", "t");
    for (const host of ["b.example", "c.example"]) await ask(host, "t");
    assert.equal(await ask("a.example", "other"), neighbour);
    assert.notEqual(await ask("a.example", "t"), first);
  });

  it("go over connections of their tenant's alone, and wait for no other's", async () => {
    const narrow = open({ allow: LOOPBACK, connectionsPerOrigin: 1 });
    const ports: (number | undefined)[] = [];
    answer = (request, response) => {
      ports.push(request.socket.remotePort);
      response.end("ok");
    };
    for (const tenant of ["a", "b", "a"])
      assert.equal(await textOf(await send("/", { tenant }, narrow)), "ok");
    assert.equal(ports[0], ports[2]);
    assert.notEqual(ports[0], ports[1]);
    answer = (_, response) => void response.write("held");
    const holder = new AbortController();
    await send("/", { tenant: "a", signal: holder.signal }, narrow);
    answer = (_, response) => response.end("ok");
    assert.equal(await textOf(await send("/", { tenant: "b" }, narrow)), "ok");
    holder.abort();
  });
});
