import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { parseNetworks } from "../../../../core/egress/address-policy.ts";
import { createEgress, type Egress, type EgressOptions } from "../../../../core/egress/egress.ts";
import { createRecording } from "../../../../test/support/recording.ts";
import {
  FETCH_CHUNK_BYTES,
  FETCH_WINDOW_BYTES,
  type FetchReply,
  type FetchRequestHead,
  MAX_FETCH_HEADER_BYTES,
  MAX_FETCH_URL_CHARS,
  MAX_FETCHES_AT_ONCE,
} from "../../protocol/fetch-messages.ts";
import { ProtocolError } from "./protocol-error.ts";
import { RunFetches } from "./run-fetches.ts";
import type { RunFetchesOptions } from "./run-fetches-options.ts";

const LOOPBACK = parseNetworks("127.0.0.1");
const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const MEGABYTE = 1_048_576;
const RUN_ID = 7;

let server: http.Server;
let origin: string;
let answer: http.RequestListener;
let received: { path: string; headers: http.IncomingHttpHeaders }[] = [];
const egresses: Egress[] = [];
const runs: RunFetches[] = [];

function openEgress(options: Partial<EgressOptions> = {}): Egress {
  const egress = createEgress({ allow: LOOPBACK, ...options });
  egresses.push(egress);
  return egress;
}

/** A run and its executor's side: what it asks and what it hears. */
function begin(options: Partial<RunFetchesOptions> = {}) {
  const replies = createRecording<FetchReply>("reply");
  const fetches = new RunFetches({
    runId: RUN_ID,
    egress: openEgress(),
    tenant: "t",
    subrequests: 100,
    memoryMb: 128,
    traceparent: TRACE,
    send: (reply) => {
      replies.add(reply);
      return true;
    },
    isCongested: () => false,
    drained: () => Promise.resolve(),
    ...options,
  });
  runs.push(fetches);
  let lastNo = 0;
  return {
    fetches,
    replies,
    fetch(url: string, head: Partial<FetchRequestHead> = {}): number {
      const no = ++lastNo;
      const full: FetchRequestHead = {
        method: "GET",
        url: url.startsWith("/") ? origin + url : url,
        headers: [],
        redirect: "follow",
        hasBody: false,
        ...head,
      };
      fetches.receive({ t: "fetch", id: RUN_ID, no, head: full });
      return no;
    },
    data(no: number, chunk: string | Buffer) {
      const base64 = Buffer.from(chunk as string).toString("base64");
      fetches.receive({ t: "fetch-data", id: RUN_ID, no, base64 });
    },
    endBody: (no: number) => fetches.receive({ t: "fetch-body-end", id: RUN_ID, no }),
    pull: (no: number, bytes: number) => fetches.receive({ t: "fetch-pull", id: RUN_ID, no, bytes }),
    read: (no: number) => fetches.receive({ t: "fetch-read", id: RUN_ID, no }),
    cancel: (no: number) => fetches.receive({ t: "fetch-cancel", id: RUN_ID, no }),
    /** The first reply of this kind to this fetch. */
    async reply<T extends FetchReply["t"]>(no: number, t: T): Promise<Extract<FetchReply, { t: T }>> {
      const over = (reply: FetchReply) => reply.t === "fetch-failed" || reply.t === "fetch-end";
      const [found] = await replies.waitFor((reply) => reply.no === no && (reply.t === t || over(reply)));
      assert.equal(found?.t, t, JSON.stringify(found));
      return found as Extract<FetchReply, { t: T }>;
    },
    dataOf: (no: number) =>
      Buffer.concat(
        replies.items
          .filter((reply) => reply.t === "fetch-data")
          .filter((reply) => reply.no === no)
          .map(({ base64 }) => Buffer.from(base64, "base64")),
      ),
    async text(no: number): Promise<string> {
      await this.reply(no, "fetch-head");
      await replies.waitFor((reply) => reply.no === no && reply.t === "fetch-end");
      return this.dataOf(no).toString();
    },
    async failure(no: number): Promise<{ code: string; message: string }> {
      const [found] = await replies.waitFor((reply) => reply.no === no && reply.t === "fetch-failed");
      const { code, message } = found as Extract<FetchReply, { t: "fetch-failed" }>;
      return { code, message };
    },
  };
}

before(async () => {
  server = http.createServer((request, response) => {
    received.push({ path: request.url ?? "", headers: request.headers });
    answer(request, response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  received = [];
  answer = (request, response) => void request.resume().on("end", () => response.end("ok"));
});
afterEach(async () => {
  for (const run of runs.splice(0)) run.close();
  await Promise.all(egresses.splice(0).map((egress) => egress.close()));
});
after(() => {
  server.close();
  server.closeAllConnections();
});

describe("a fetch", () => {
  it("brings head, body and end, and carries the run's trace", async () => {
    answer = (_, response) =>
      response.writeHead(200, "Fine", ["Set-Cookie", "a=1", "Set-Cookie", "b=2"]).end("ok");
    const run = begin();
    const no = run.fetch("/p?q=1");
    assert.equal(await run.text(no), "ok");
    const { head, id } = await run.reply(no, "fetch-head");
    assert.deepEqual(
      [id, head.status, head.statusText, head.url, head.redirected],
      [RUN_ID, 200, "Fine", `${origin}/p?q=1`, false],
    );
    assert.deepEqual(
      head.headers.filter(([name]) => name === "Set-Cookie").map(([, value]) => value),
      ["a=1", "b=2"],
    );
    assert.equal(received[0]!.headers["traceparent"], TRACE);
    assert.match(received[0]!.headers["user-agent"]!, /^Bellhop\//);
    assert.equal(run.fetches.count, 0);
  });

  it("without a body ends at once: HEAD, 204, 304", async () => {
    const run = begin();
    for (const [method, status] of [
      ["HEAD", 200],
      ["GET", 204],
      ["GET", 304],
    ] as const) {
      answer = (_, response) => response.writeHead(status, { "content-encoding": "gzip" }).end();
      const no = run.fetch("/", { method });
      assert.equal(await run.text(no), "");
      assert.equal((await run.reply(no, "fetch-head")).head.status, status);
    }
  });

  it("decodes what is encoded", async () => {
    answer = (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("plain"));
    const run = begin();
    assert.equal(await run.text(run.fetch("/")), "plain");
  });

  it("sends a body whose length is known whole, and again where a redirect asks for it", async () => {
    answer = (request, response) => {
      if (request.url === "/end") request.pipe(response);
      else request.resume().on("end", () => response.writeHead(307, { location: "/end" }).end());
    };
    const run = begin();
    const no = run.fetch("/", { method: "POST", hasBody: true, headers: [["content-length", "3"]] });
    run.data(no, "ab");
    run.data(no, "c");
    run.endBody(no);
    assert.equal(await run.text(no), "abc");
    assert.deepEqual(
      received.map(({ headers }) => [headers["content-length"], headers["transfer-encoding"]]),
      [
        ["3", undefined],
        ["3", undefined],
      ],
    );
  });

  it("sends any other body as it comes", async () => {
    const run = begin();
    const arrived = Promise.withResolvers<http.IncomingMessage>();
    answer = (request, response) => {
      arrived.resolve(request);
      request.pipe(response);
    };
    const no = run.fetch("/", { method: "POST", hasBody: true });
    run.data(no, "first");
    const request = await arrived.promise;
    assert.equal(request.headers["transfer-encoding"], "chunked");
    run.data(no, " second");
    run.endBody(no);
    assert.equal(await run.text(no), "first second");
  });

  it("whose body is not as long as was said fails", async () => {
    const run = begin();
    for (const body of ["a", "abcd"]) {
      const no = run.fetch("/", { method: "POST", hasBody: true, headers: [["content-length", "3"]] });
      run.data(no, body);
      run.endBody(no);
      assert.equal((await run.failure(no)).code, "invalid_request");
    }
    assert.equal(received.length, 0);
  });

  it("carries 10 MB there and back unchanged, each way within its window", async () => {
    answer = (request, response) => void request.pipe(response);
    let granted = FETCH_WINDOW_BYTES;
    let sentBytes = 0;
    let inFlight = 0;
    const sent = createHash("sha256");
    const back = createHash("sha256");
    const total = 10 * MEGABYTE;
    const done = Promise.withResolvers<void>();
    const run = begin({
      send: (reply) => {
        if (reply.t === "fetch-pull") granted += reply.bytes;
        if (reply.t === "fetch-data") {
          const chunk = Buffer.from(reply.base64, "base64");
          inFlight += chunk.length;
          assert.ok(chunk.length <= FETCH_CHUNK_BYTES && inFlight <= FETCH_WINDOW_BYTES);
          back.update(chunk);
          setImmediate(() => {
            inFlight -= chunk.length;
            run.pull(reply.no, chunk.length);
          });
        }
        if (reply.t === "fetch-failed") done.reject(new Error(reply.message));
        if (reply.t === "fetch-end") done.resolve();
        setImmediate(pump, reply.no);
        return true;
      },
    });
    const pump = (no: number) => {
      while (sentBytes < total && granted >= FETCH_CHUNK_BYTES) {
        const chunk = Buffer.alloc(FETCH_CHUNK_BYTES, `chunk at ${sentBytes};`);
        sent.update(chunk);
        sentBytes += chunk.length;
        granted -= chunk.length;
        run.data(no, chunk);
        if (sentBytes === total) run.endBody(no);
      }
    };
    pump(run.fetch("/", { method: "POST", hasBody: true, headers: [["content-length", String(total)]] }));
    await done.promise;
    assert.equal(back.digest("hex"), sent.digest("hex"));
    assert.equal(received[0]!.headers["content-length"], String(total));
  });
});

describe("an answer", () => {
  it("comes no further than its credit", async () => {
    answer = (_, response) => response.end(Buffer.alloc(2 * MEGABYTE));
    const run = begin();
    const no = run.fetch("/");
    const sentBytes = () => run.dataOf(no).length;
    const isFull = () => sentBytes() >= FETCH_WINDOW_BYTES;
    await run.replies.waitFor((reply) => reply.t === "fetch-data" && isFull());
    assert.equal(sentBytes(), FETCH_WINDOW_BYTES);
    run.pull(no, 10);
    await run.replies.waitFor(() => sentBytes() > FETCH_WINDOW_BYTES);
    assert.equal(sentBytes(), FETCH_WINDOW_BYTES + 10);
    assert.throws(() => run.pull(no, FETCH_WINDOW_BYTES + 1), ProtocolError);
  });

  it("waits while the executor is behind with reading", async () => {
    answer = (_, response) => response.end("x".repeat(1_000));
    const drains: (() => void)[] = [];
    const asked = createRecording<number>("wait");
    const replies = createRecording<FetchReply>("reply");
    const run = begin({
      send: (reply) => {
        replies.add(reply);
        return false;
      },
      drained: () =>
        new Promise((resolve) => {
          drains.push(resolve);
          asked.add(drains.length);
        }),
    });
    run.fetch("/");
    for (const [count, kind] of [
      [1, "fetch-head"],
      [2, "fetch-data"],
      [3, "fetch-end"],
    ] as const) {
      await asked.waitFor((waits) => waits === count);
      assert.equal(replies.items.length, count, "nothing is sent before it is read");
      assert.equal(replies.items.at(-1)!.t, kind);
      drains.at(-1)!();
    }
  });

  it("fills the pipe to its executor no further than to one chunk, of however many fetches and runs", async () => {
    const chunk = Buffer.alloc(FETCH_CHUNK_BYTES, "x");
    answer = (_, response) => response.end(Buffer.concat([chunk, chunk]));
    let isCongested = false;
    let drained = Promise.withResolvers<void>();
    let inPipe = 0;
    let worst = 0;
    const replies = createRecording<FetchReply>("reply");
    const send = (reply: FetchReply) => {
      replies.add(reply);
      if (reply.t !== "fetch-data") return true;
      worst = Math.max(worst, ++inPipe);
      isCongested = true;
      return false;
    };
    const pipe = { send, isCongested: () => isCongested, drained: () => drained.promise };
    const crowd = [begin(pipe), begin(pipe)];
    for (const run of crowd) for (let i = 0; i < MAX_FETCHES_AT_ONCE; i++) run.fetch("/");
    const ends = () => replies.items.filter(({ t }) => t === "fetch-end").length;
    while (ends() < 2 * MAX_FETCHES_AT_ONCE) {
      // The executor reads what is in the pipe, and whoever waits for that goes on.
      await new Promise(setImmediate);
      [inPipe, isCongested] = [0, false];
      drained.resolve();
      drained = Promise.withResolvers();
    }
    assert.equal(worst, 1);
  });

  it("that needs much to be decoded waits until it is read, and then for the run's others", async () => {
    const plain = Buffer.alloc(50 * MEGABYTE);
    const { BROTLI_PARAM_LGWIN, BROTLI_PARAM_QUALITY } = constants;
    const bomb = brotliCompressSync(plain, {
      params: { [BROTLI_PARAM_LGWIN]: 24, [BROTLI_PARAM_QUALITY]: 5 },
    });
    answer = (request, response) => {
      const body = request.url === "/short" ? brotliCompressSync("short") : bomb;
      response.writeHead(200, { "content-encoding": "br" }).end(body);
    };
    const run = begin({ memoryMb: 16 });
    const [first, second] = [run.fetch("/"), run.fetch("/")];
    for (const no of [first, second]) {
      assert.equal((await run.reply(no, "fetch-head")).head.isDecoded, true);
    }
    // What is short comes without being read, also while the others wait: it would hold its place for nothing.
    assert.equal(await run.text(run.fetch("/short")), "short");
    assert.equal(run.dataOf(first).length + run.dataOf(second).length, 0);
    run.read(first);
    await run.reply(first, "fetch-data");
    run.read(second);
    const third = run.fetch("/");
    run.read(third);
    run.cancel(first);
    await run.reply(second, "fetch-data");
    run.cancel(second);
    await run.reply(third, "fetch-data");
  });

  it("that breaks off fails after its head", async () => {
    answer = (_, response) => {
      response.writeHead(200, { "content-length": "100" }).write("half", () => response.destroy());
    };
    const run = begin();
    const no = run.fetch("/");
    await run.reply(no, "fetch-head");
    assert.equal((await run.failure(no)).code, "connection_reset");
    assert.equal(run.fetches.count, 0);
  });

  it("that is too large is cut off", async () => {
    answer = (_, response) => response.end("x".repeat(101));
    const run = begin({ maxResponseBytes: 100 });
    assert.equal((await run.failure(run.fetch("/"))).code, "response_too_large");
  });

  it("that is complete before its request ends the request as well", async () => {
    answer = (_, response) => response.writeHead(413).end("too much");
    const run = begin();
    const no = run.fetch("/", { method: "POST", hasBody: true });
    run.data(no, "begun");
    assert.equal(await run.text(no), "too much");
    run.data(no, "more");
    run.endBody(no);
  });
});

describe("the end of a fetch", () => {
  it("by the executor closes the connection and is not answered", async () => {
    const arrived = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    answer = (_, response) => {
      response.on("close", closed.resolve);
      arrived.resolve();
    };
    const run = begin();
    const no = run.fetch("/");
    await arrived.promise;
    run.cancel(no);
    assert.equal(run.fetches.count, 0);
    await closed.promise;
    assert.deepEqual(run.replies.items, []);
  });

  it("by the run's end ends all of them, wherever they are, without a word", async () => {
    const closed = createRecording<string>("close");
    answer = (request, response) => {
      response.on("close", () => closed.add(request.url!));
      if (request.url === "/body") response.write("half");
    };
    const run = begin();
    const inBody = run.fetch("/body");
    await run.replies.waitFor((reply) => reply.t === "fetch-data");
    const inUpload = run.fetch("/upload", { method: "POST", hasBody: true });
    run.data(inUpload, "begun");
    const gathering = run.fetch("/", { method: "POST", hasBody: true, headers: [["content-length", "9"]] });
    run.data(gathering, "begun");
    await once(server, "request");
    const before = run.replies.items.length;
    run.fetches.close();
    await closed.waitFor(() => true, { count: 2 });
    run.pull(inBody, FETCH_WINDOW_BYTES);
    run.fetch("/");
    assert.deepEqual([run.fetches.count, run.replies.items.length, received.length], [0, before, 2]);
  });
});

describe("limits", () => {
  it("count every request of the run, redirects too", async () => {
    answer = (request, response) => {
      if (request.url === "/end") response.end("end");
      else response.writeHead(302, { location: "/end" }).end();
    };
    const run = begin({ subrequests: 3 });
    assert.equal(await run.text(run.fetch("/")), "end");
    const inRedirect = await run.failure(run.fetch("/"));
    assert.equal(inRedirect.code, "subrequest_limit");
    assert.match(inRedirect.message, /may make 3 requests, redirects included/);
    assert.equal((await run.failure(run.fetch("/"))).code, "subrequest_limit");
    assert.equal(received.length, 3);
    const none = begin({ subrequests: 0 });
    assert.equal((await none.failure(none.fetch("/"))).code, "subrequest_limit");
  });

  it("allow so many fetches at once, and more as they end", async () => {
    answer = () => {};
    const run = begin();
    for (let i = 0; i < MAX_FETCHES_AT_ONCE; i++) run.fetch("/held");
    assert.equal((await run.failure(run.fetch("/"))).code, "too_many_fetches");
    run.cancel(1);
    answer = (_, response) => response.end("ok");
    assert.equal(await run.text(run.fetch("/")), "ok");
  });

  it("do not let an executor pile up answers that it does not read", async () => {
    answer = () => {};
    let room = true;
    const run = begin({ send: () => room, drained: () => new Promise(() => {}) });
    for (let i = 0; i < MAX_FETCHES_AT_ONCE; i++) run.fetch("/held");
    room = false;
    run.fetch("/");
    assert.throws(() => run.fetch("/"), ProtocolError);
  });

  it("grant nothing more to an executor that does not read", async () => {
    const took = Promise.withResolvers<void>();
    let bytes = 0;
    answer = (request) => {
      request.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes === FETCH_WINDOW_BYTES) took.resolve();
      });
    };
    const reads = Promise.withResolvers<void>();
    const replies = createRecording<FetchReply>("reply");
    const run = begin({
      send: (reply) => {
        replies.add(reply);
        return false;
      },
      drained: () => reads.promise,
    });
    const no = run.fetch("/", { method: "POST", hasBody: true });
    const base64 = Buffer.alloc(FETCH_CHUNK_BYTES).toString("base64");
    const push = () => run.fetches.receive({ t: "fetch-data", id: RUN_ID, no, base64 });
    for (let sent = 0; sent < FETCH_WINDOW_BYTES; sent += FETCH_CHUNK_BYTES) push();
    await took.promise;
    const pulls = () => replies.items.filter(({ t }) => t === "fetch-pull").length;
    assert.equal(pulls(), 1, "the one that it was slow to read");
    push();
    assert.throws(push, ProtocolError);
    reads.resolve();
    await replies.waitFor(({ t }) => t === "fetch-pull", { count: 2 });
  });

  it("are not told of where their URLs or hosts are longer than any that can be asked", async () => {
    const told: string[] = [];
    const run = begin({
      egress: openEgress({ resolve: async () => [] }),
      onRequest: ({ host }) => told.push(host),
    });
    const label = "x".repeat(60);
    const [longest, longer] = [
      [label, label, label, label].join("."),
      [label, label, label, label, label].join("."),
    ];
    for (const url of [`http://${longest}/`, `http://${longer}/`, `http://${"x".repeat(20_000)}/`])
      await run.failure(run.fetch(url));
    await run.failure(run.fetch(`http://a.example/${"x".repeat(MAX_FETCH_URL_CHARS)}`));
    assert.deepEqual(told, [longest]);
  });

  it("refuse what cannot be sent, for the author to read", async () => {
    const run = begin();
    const cases: [string, Partial<FetchRequestHead>][] = [
      ["/", { method: "CONNECT" }],
      ["/", { method: "trace" }],
      ["/", { method: "GE T" }],
      ["/", { hasBody: true }],
      [`/${"x".repeat(MAX_FETCH_URL_CHARS)}`, {}],
      ["/", { headers: [["x", "y".repeat(MAX_FETCH_HEADER_BYTES)]] }],
      ["/", { headers: [["x", "a\r\nInjected: b"]] }],
      ["/", { headers: [["a b", "x"]] }],
      ["/", { headers: [["x", "\u0100"]] }],
      ["relative", {}],
      ["file:///etc/passwd", {}],
    ];
    for (const [url, head] of cases) {
      const { code } = await run.failure(run.fetch(url, head));
      assert.equal(code, "invalid_request", `${url.slice(0, 40)} ${JSON.stringify(head).slice(0, 40)}`);
    }
    assert.equal(received.length, 0);
  });
});

describe("addresses", () => {
  it("inside are refused, by literal, by name and by redirect, in words that name no address", async () => {
    const egress = openEgress({ allow: [], resolve: async () => [{ address: "10.1.2.3", family: 4 }] });
    const strict = begin({ egress });
    for (const url of [
      "http://169.254.169.254/latest",
      "http://127.0.0.1:1/",
      "http://[::1]/",
      "http://inside.example/",
    ]) {
      const { code, message } = await strict.failure(strict.fetch(url));
      assert.equal(code, "address_blocked", url);
      assert.doesNotMatch(message, /\d+\.\d+|EGRESS/);
    }
    answer = (_, response) => response.writeHead(302, { location: "http://169.254.169.254/latest" }).end();
    const run = begin();
    const { code, message } = await run.failure(run.fetch("/"));
    assert.equal(code, "address_blocked");
    assert.doesNotMatch(message, /169|EGRESS/);
  });

  it("of what does not answer fail by what the author wrote", async () => {
    const run = begin();
    const { code, message } = await run.failure(run.fetch("http://127.0.0.1:2/path?secret=1"));
    assert.equal(code, "connect_failed");
    assert.doesNotMatch(message, /secret|path/);
    assert.equal((await run.failure(run.fetch("http://127.0.0.1:25/"))).code, "port_blocked");
  });
});

describe("redirects", () => {
  beforeEach(() => {
    answer = (request, response) => {
      request.resume();
      if (request.url === "/end") response.end("end");
      else response.writeHead(307, { location: "/end" }).end("moved");
    };
  });

  it("are followed, returned or refused as the author says", async () => {
    const run = begin();
    const followed = run.fetch("/");
    assert.equal(await run.text(followed), "end");
    const { head } = await run.reply(followed, "fetch-head");
    assert.deepEqual([head.url, head.redirected], [`${origin}/end`, true]);
    assert.equal(await run.text(run.fetch("/", { redirect: "manual" })), "moved");
    assert.equal((await run.failure(run.fetch("/", { redirect: "error" }))).code, "unexpected_redirect");
  });

  it("cannot have a stream again", async () => {
    const run = begin();
    const no = run.fetch("/", { method: "POST", hasBody: true });
    run.data(no, "once");
    assert.equal((await run.failure(no)).code, "body_not_replayable");
  });
});

describe("an executor that breaks the protocol", () => {
  it("by a fetch's number, a body, or more of one than was granted", () => {
    answer = () => {};
    const run = begin();
    const plain = run.fetch("/");
    const upload = run.fetch("/", { method: "POST", hasBody: true });
    const again = { t: "fetch", id: RUN_ID, no: upload, head: {} as FetchRequestHead } as const;
    assert.throws(() => run.fetches.receive(again), ProtocolError);
    assert.throws(() => run.data(upload + 1, "x"), ProtocolError);
    assert.throws(() => run.data(plain, "x"), ProtocolError);
    assert.throws(() => run.endBody(plain), ProtocolError);
    assert.throws(() => run.data(upload, Buffer.alloc(FETCH_WINDOW_BYTES + 1)), ProtocolError);
    assert.throws(() => run.pull(upload, 1), ProtocolError);
  });
});
