import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { parseNetworks } from "./address-policy.ts";
import type { Resolve } from "./connector.ts";
import { createEgress, type Egress, type EgressOptions, type EgressRequest } from "./egress.ts";
import { EgressError, type EgressErrorCode } from "./egress-error.ts";

const LOOPBACK = parseNetworks("127.0.0.1");

interface TestServer {
  port: number;
  /** Method, path, headers and body of each request received. */
  received: { method: string; path: string; headers: http.IncomingHttpHeaders; body: string }[];
  answer: http.RequestListener;
  server: http.Server;
}

async function startServer(): Promise<TestServer> {
  const self: TestServer = {
    port: 0,
    received: [],
    answer: (_, response) => response.end("ok"),
    server: http.createServer(),
  };
  self.server.on("request", async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    self.received.push({
      method: request.method!,
      path: request.url!,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    });
    self.answer(request, response);
  });
  await once(self.server.listen(0, "127.0.0.1"), "listening");
  self.port = (self.server.address() as AddressInfo).port;
  return self;
}

let a: TestServer;
let b: TestServer;
let egress: Egress;
const opened: Egress[] = [];

function open(options: Partial<EgressOptions> = {}): Egress {
  const made = createEgress({ allow: [], ...options });
  opened.push(made);
  return made;
}

function send(url: string, changes: Partial<EgressRequest> = {}, through = egress) {
  return through.request({
    url,
    method: "GET",
    headers: {},
    followRedirects: true,
    signal: new AbortController().signal,
    maxResponseBytes: 1_024,
    ...changes,
  });
}

async function failure(promise: Promise<unknown>): Promise<EgressError> {
  const error = await promise.then(
    () => assert.fail("the request was answered"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof EgressError, String(error));
  return error;
}

async function assertFails(promise: Promise<unknown>, code: EgressErrorCode, retryable: boolean) {
  const error = await failure(promise);
  assert.deepEqual([error.code, error.retryable], [code, retryable], error.message);
  return error;
}

before(async () => {
  [a, b] = [await startServer(), await startServer()];
});
beforeEach(() => {
  egress = open({ allow: LOOPBACK });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
  for (const each of [a, b])
    Object.assign(each, {
      received: [],
      answer: (_: unknown, response: http.ServerResponse) => response.end("ok"),
    });
});
after(() => {
  for (const { server } of [a, b]) {
    server.close();
    server.closeAllConnections();
  }
});

describe("a request", () => {
  it("carries method, headers and body, and brings status, headers and body back", async () => {
    a.answer = (_, response) =>
      response.writeHead(201, { "Set-Cookie": ["a=1", "b=2"], "X-One": "1" }).end("made");
    const response = await send(`http://127.0.0.1:${a.port}/p?q=1#f`, {
      method: "post",
      headers: { "X-Own": "yes" },
      body: "héllo",
    });
    assert.deepEqual([response.status, response.body.toString(), response.truncated], [201, "made", false]);
    assert.deepEqual([response.headers["set-cookie"], response.headers["x-one"]], ["a=1, b=2", "1"]);
    assert.equal(response.url, `http://127.0.0.1:${a.port}/p?q=1`);
    const [request] = a.received;
    assert.deepEqual(
      [request!.method, request!.path, request!.headers["x-own"], request!.body],
      ["POST", "/p?q=1", "yes", "héllo"],
    );
  });

  it("tells of its URL without a fragment, also an empty one", async () => {
    const { url } = await send(`http://127.0.0.1:${a.port}/p?q=1#`);
    assert.equal(url, `http://127.0.0.1:${a.port}/p?q=1`);
  });

  it("turns credentials of the URL into a header, unless one is given", async () => {
    await send(`http://us%40er:pa%3Ass@127.0.0.1:${a.port}/`);
    await send(`http://user:pass@127.0.0.1:${a.port}/`, { headers: { AUTHORIZATION: "Bearer own" } });
    const expected = `Basic ${Buffer.from("us@er:pa:ss").toString("base64")}`;
    assert.deepEqual(
      a.received.map(({ headers }) => headers.authorization),
      [expected, "Bearer own"],
    );
  });

  it("leaves framing and hop-by-hop headers out", async () => {
    const headers = {
      Host: "evil.example",
      Connection: "close",
      "Content-Length": "1",
      "Transfer-Encoding": "chunked",
      Upgrade: "websocket",
      Expect: "100-continue",
      "Keep-Alive": "timeout=1",
      TE: "trailers",
      Trailer: "x",
      "Proxy-Authorization": "Basic x",
      "X-Kept": "1",
    };
    await send(`http://127.0.0.1:${a.port}/`, { method: "POST", headers, body: "abc" });
    const [request] = a.received;
    assert.deepEqual(request!.headers, {
      host: `127.0.0.1:${a.port}`,
      connection: "keep-alive",
      "content-length": "3",
      "x-kept": "1",
    });
    assert.equal(request!.body, "abc");
  });

  it("refuses what cannot be sent", async () => {
    for (const url of ["", "/relative", "ftp://example.com/", "file:///etc/passwd", "http://"]) {
      await assertFails(send(url), "invalid_request", false);
    }
    await assertFails(
      send(`http://127.0.0.1:${a.port}/`, { headers: { "X-Split": "a\r\nX-Injected: b" } }),
      "invalid_request",
      false,
    );
    await assertFails(
      send(`http://127.0.0.1:${a.port}/`, { method: "GET / HTTP/1.1\r\nX:" }),
      "invalid_request",
      false,
    );
    await assertFails(send(`http://127.0.0.1:${a.port}/`, { method: "CONNECT" }), "invalid_request", false);
    assert.equal(a.received.length, 0);
  });

  it("reuses connections", async () => {
    let connections = 0;
    const count = () => connections++;
    a.server.on("connection", count);
    for (let i = 0; i < 10; i++) await send(`http://127.0.0.1:${a.port}/`);
    a.server.off("connection", count);
    assert.ok(connections <= 2, `${connections} connections for 10 requests in a row`);
  });

  it("shares no connection between tenants", async () => {
    const own = open({ allow: LOOPBACK, connectionsPerOrigin: 1 });
    const ports: (number | undefined)[] = [];
    a.answer = (request, response) => {
      ports.push(request.socket.remotePort);
      response.end();
    };
    for (const tenant of ["one", "two", "one"]) await send(`http://127.0.0.1:${a.port}/`, { tenant }, own);
    assert.equal(ports[0], ports[2]);
    assert.notEqual(ports[0], ports[1]);
  });

  it("still answers when more origins are called than are kept", async () => {
    const narrow = open({ allow: LOOPBACK, maxOrigins: 1 });
    const urls = [a, b, a, b, a].map(({ port }) => `http://127.0.0.1:${port}/`);
    const statuses = await Promise.all(urls.map((url) => send(url, {}, narrow).then(({ status }) => status)));
    assert.deepEqual(statuses, [200, 200, 200, 200, 200]);
  });
});

describe("addresses", () => {
  const odd = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "0",
    "169.254.169.254",
    "%31%32%37.0.0.1",
    "①②⑦.0.0.1",
  ];
  for (const host of odd) {
    it(`refuses the literal ${host} without a connection`, async () => {
      const never: Resolve = () => assert.fail("a literal was looked up");
      const error = await assertFails(
        send(`http://${host}:${a.port}/`, {}, open({ resolve: never })),
        "egress_blocked",
        false,
      );
      assert.match(error.message, /EGRESS_ALLOW/);
      assert.equal(a.received.length, 0);
    });
  }

  it("refuses a name that resolves to a private address only", async () => {
    const strict = open({
      resolve: async () => [
        { address: "127.0.0.1", family: 4 },
        { address: "::1", family: 6 },
      ],
    });
    const error = await assertFails(
      send(`http://inside.example:${a.port}/`, {}, strict),
      "egress_blocked",
      false,
    );
    assert.match(error.message, /"inside\.example"/);
    assert.doesNotMatch(error.message, /127\.0\.0\.1/, "the inner network's names stay unknown outside");
    assert.equal(a.received.length, 0);
  });

  it("refuses localhost by the system's resolver", async () => {
    await assertFails(send(`http://localhost:${a.port}/`, {}, open()), "egress_blocked", false);
    assert.equal(a.received.length, 0);
  });

  it("connects to the checked address and to no other of the name", async () => {
    const resolve: Resolve = async () => [
      { address: "10.255.255.1", family: 4 },
      { address: "127.0.0.1", family: 4 },
    ];
    const response = await send(`http://mixed.example:${a.port}/`, {}, open({ allow: LOOPBACK, resolve }));
    assert.equal(response.status, 200);
    assert.equal(a.received[0]!.headers.host, `mixed.example:${a.port}`);
  });

  it("asks the resolver again for each connection, so a name that turns inward is refused", async () => {
    const answers = ["127.0.0.1", "10.0.0.1"];
    const rebinding = open({
      allow: LOOPBACK,
      resolve: async () => [{ address: answers.shift()!, family: 4 }],
    });
    a.answer = (_, response) => response.writeHead(200, { connection: "close" }).end();
    assert.equal((await send(`http://rebind.example:${a.port}/`, {}, rebinding)).status, 200);
    await assertFails(send(`http://rebind.example:${a.port}/`, {}, rebinding), "egress_blocked", false);
  });

  it("lets trusted requests reach private addresses, and lends their connections to nobody else", async () => {
    const strict = open({ resolve: async () => [{ address: "127.0.0.1", family: 4 }] });
    for (const host of ["127.0.0.1", "mail.example"]) {
      assert.equal((await send(`http://${host}:${a.port}/`, { trusted: true }, strict)).status, 200);
      await assertFails(send(`http://${host}:${a.port}/`, {}, strict), "egress_blocked", false);
    }
    assert.equal(a.received.length, 2);
  });
});

describe("ports of other protocols", () => {
  const NEVER: Resolve = () => assert.fail("it was looked up");

  it("are refused before any connection, those of mail and X11 among them", async () => {
    for (const port of [25, 465, 587, 110, 143, 993, 995, 6000]) {
      for (const host of ["mail.example", "127.0.0.1", "93.184.215.14"]) {
        const egress = open({ allow: LOOPBACK, resolve: NEVER });
        // Twice: what was refused left nothing behind that the next one could go by.
        for (const _ of [1, 2])
          await assertFails(send(`http://${host}:${port}/`, {}, egress), "port_blocked", false);
      }
    }
  });

  it("are refused where a redirect leads to one", async () => {
    a.answer = (_, response) => response.writeHead(307, { location: "http://127.0.0.1:25/" }).end();
    const error = await assertFails(
      send(`http://127.0.0.1:${a.port}/`, { method: "POST", body: "RCPT TO:<ada@example.com>" }),
      "port_blocked",
      false,
    );
    assert.equal(error.message, "Nothing was sent: port 25 belongs to another protocol than HTTP.");
  });

  it("are the operator's to choose", async () => {
    await assertFails(send("http://127.0.0.1:1/", { trusted: true }), "connect_failed", true);
  });
});

describe("redirects", () => {
  const redirectTo =
    (location: string, status = 302): http.RequestListener =>
    (request, response) => {
      if (request.url === "/end") return void response.end("end");
      response.writeHead(status, { location }).end("moved");
    };

  it("are followed by `as-get`, the body dropped where the method turns to GET", async () => {
    a.answer = redirectTo("/end", 303);
    const response = await send(`http://127.0.0.1:${a.port}/start`, {
      ...{ method: "POST", followRedirects: "as-get" },
      body: "x",
      headers: { "content-type": "text/plain" },
    });
    assert.deepEqual(
      [response.status, response.body.toString(), response.url],
      [200, "end", `http://127.0.0.1:${a.port}/end`],
    );
    const last = a.received[1]!;
    assert.deepEqual([last.method, last.body, last.headers["content-type"]], ["GET", "", undefined]);
  });

  it("are followed where method and body stay, and else returned", async () => {
    const post = { method: "POST", body: "x" };
    for (const [status, changes] of [
      [307, post],
      [308, post],
      [302, {}],
    ] as const) {
      a.answer = redirectTo("/end", status);
      const response = await send(`http://127.0.0.1:${a.port}/start`, changes);
      assert.deepEqual([response.status, a.received.at(-1)!.body], [200, "body" in changes ? "x" : ""]);
    }
    a.answer = redirectTo("/end", 307);
    b.answer = redirectTo(`http://127.0.0.1:${a.port}/start`, 302);
    for (const method of ["POST", "PUT", "DELETE"]) {
      const response = await send(`http://127.0.0.1:${b.port}/start`, { ...post, method });
      assert.deepEqual([response.status, response.body.toString()], [302, "moved"]);
    }
  });

  it("are returned as they are when not to be followed", async () => {
    a.answer = redirectTo("/end");
    const response = await send(`http://127.0.0.1:${a.port}/start`, { followRedirects: false });
    assert.deepEqual([response.status, response.headers["location"], a.received.length], [302, "/end", 1]);
  });

  it("carry no credentials and no field of the author to another origin, and keep them on their own", async () => {
    b.answer = redirectTo("/end");
    a.answer = redirectTo(`http://127.0.0.1:${b.port}/start`, 307);
    await send(`http://user:pass@127.0.0.1:${a.port}/start`, { headers: { Cookie: "c=1", "X-Own": "1" } });
    assert.match(a.received[0]!.headers.authorization!, /^Basic /);
    for (const { headers } of b.received)
      assert.deepEqual(
        [headers.authorization, headers.cookie, headers["x-own"]],
        [undefined, undefined, undefined],
      );
    assert.equal(b.received.length, 2);
  });

  it("to a private address are refused, by literal and by name", async () => {
    const resolve: Resolve = async (name) => [
      { address: name === "outside.example" ? "127.0.0.1" : "127.0.0.2", family: 4 },
    ];
    const strict = open({ allow: LOOPBACK, resolve });
    for (const target of [
      `http://169.254.169.254/latest/meta-data`,
      `http://[::1]:${b.port}/`,
      `http://inside.example:${b.port}/`,
    ]) {
      a.answer = redirectTo(target);
      await assertFails(send(`http://outside.example:${a.port}/start`, {}, strict), "egress_blocked", false);
    }
    assert.equal(b.received.length, 0);
  });

  it("end after five", async () => {
    a.answer = redirectTo("/again");
    await assertFails(send(`http://127.0.0.1:${a.port}/start`), "too_many_redirects", false);
    assert.equal(a.received.length, 6);
  });

  it("to another scheme are refused", async () => {
    a.answer = redirectTo("file:///etc/passwd");
    await assertFails(send(`http://127.0.0.1:${a.port}/start`), "bad_redirect", false);
  });
});

describe("bounds", () => {
  it("keep the beginning of an endless body and close its connection", async () => {
    const closed = once(a.server, "test:closed");
    a.answer = (_, response) => {
      const pour = () => {
        while (response.write("x".repeat(1_000)));
      };
      response.on("drain", pour).on("close", () => a.server.emit("test:closed"));
      pour();
    };
    const response = await send(`http://127.0.0.1:${a.port}/`, { maxResponseBytes: 2_500 });
    assert.deepEqual([response.body.length, response.truncated, response.status], [2_500, true, 200]);
    await closed;
  });

  it("count a body of exactly the cap as whole", async () => {
    a.answer = (_, response) => response.end("x".repeat(100));
    const response = await send(`http://127.0.0.1:${a.port}/`, { maxResponseBytes: 100 });
    assert.deepEqual([response.body.length, response.truncated], [100, false]);
  });

  it("end a request at its caller's clock, whether head or body is missing", async () => {
    for (const answer of [
      () => {},
      (_: unknown, response: http.ServerResponse) => void response.write("half"),
    ]) {
      a.answer = answer;
      const clock = new AbortController();
      const arrived = once(a.server, "request");
      const request = failure(send(`http://127.0.0.1:${a.port}/`, { signal: clock.signal }));
      await arrived;
      clock.abort(new DOMException("too late", "TimeoutError"));
      const error = await request;
      assert.deepEqual([error.code, error.retryable], ["request_timeout", true]);
    }
  });

  it("end a request that its caller aborts, before and during it", async () => {
    const aborted = await failure(send(`http://127.0.0.1:${a.port}/`, { signal: AbortSignal.abort() }));
    assert.equal(aborted.code, "aborted");
    assert.equal(a.received.length, 0);
    a.answer = () => {};
    const caller = new AbortController();
    const arrived = once(a.server, "request");
    const request = failure(send(`http://127.0.0.1:${a.port}/`, { signal: caller.signal }));
    await arrived;
    caller.abort();
    assert.equal((await request).code, "aborted");
  });

  it("let go of a request that waits for a connection", async () => {
    const narrow = open({ allow: LOOPBACK, connectionsPerOrigin: 1 });
    a.answer = () => {};
    const holder = new AbortController();
    const arrived = once(a.server, "request");
    const held = failure(send(`http://127.0.0.1:${a.port}/held`, { signal: holder.signal }, narrow));
    await arrived;
    const waiting = await failure(send(`http://127.0.0.1:${a.port}/waits`, { connectTimeoutMs: 1 }, narrow));
    assert.deepEqual([waiting.code, waiting.retryable], ["connect_failed", true]);
    a.answer = (_, response) => response.end("ok");
    holder.abort();
    await held;
    await send(`http://127.0.0.1:${a.port}/after`, {}, narrow);
    assert.deepEqual(
      a.received.map(({ path }) => path),
      ["/held", "/after"],
    );
  });

  it("fail what is in flight when egress closes", async () => {
    a.answer = () => {};
    const arrived = once(a.server, "request");
    const request = failure(send(`http://127.0.0.1:${a.port}/`));
    await arrived;
    await egress.close();
    assert.equal((await request).code, "aborted");
  });
});

describe("network failures", () => {
  /** A TCP server that does as it is told with each connection. */
  async function withSockets<T>(
    onSocket: (socket: net.Socket, index: number) => void,
    use: (port: number) => Promise<T>,
  ): Promise<T> {
    let index = 0;
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      onSocket(socket, index++);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      return await use((server.address() as AddressInfo).port);
    } finally {
      server.close();
    }
  }

  it("a refused connection is retryable and names the host alone", async () => {
    const port = await withSockets(
      () => {},
      async (free) => free,
    );
    const error = await assertFails(
      send(`http://u:secret@127.0.0.1:${port}/path?token=secret`),
      "connect_failed",
      true,
    );
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}.*ECONNREFUSED`));
    assert.doesNotMatch(error.message, /secret|path/);
  });

  it("a name that does not resolve is retryable", async () => {
    const resolve: Resolve = () =>
      Promise.reject(Object.assign(new Error("getaddrinfo"), { code: "ENOTFOUND" }));
    const error = await assertFails(
      send("http://nowhere.example/", {}, open({ resolve })),
      "dns_failed",
      true,
    );
    assert.match(error.message, /"nowhere\.example".*ENOTFOUND/);
    await assertFails(
      send("http://empty.example/", {}, open({ resolve: async () => [] })),
      "dns_failed",
      true,
    );
  });

  it("a connection that ends before the answer is retryable", async () => {
    await withSockets(
      (socket) => socket.once("data", () => socket.destroy()),
      async (port) => {
        await assertFails(send(`http://127.0.0.1:${port}/`), "connection_reset", true);
      },
    );
  });

  it("a body that breaks off is a failure, not a short body", async () => {
    a.answer = (_, response) => {
      response.writeHead(200, { "content-length": "100" }).write("half");
      response.socket!.end();
    };
    await assertFails(send(`http://127.0.0.1:${a.port}/`), "connection_reset", true);
  });

  it("an answer that is not HTTP is retryable", async () => {
    await withSockets(
      (socket) => socket.once("data", () => socket.end("SSH-2.0-x\r\n\r\n")),
      async (port) => {
        await assertFails(send(`http://127.0.0.1:${port}/`), "bad_response", true);
      },
    );
  });

  it("TLS against a server without it is a failure of TLS", async () => {
    await assertFails(send(`https://127.0.0.1:${a.port}/`), "tls_failed", true);
  });

  const ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

  it("an idempotent request survives a kept-alive connection that went stale; a POST fails as retryable", async () => {
    for (const [method, survives] of [
      ["GET", true],
      ["PUT", true],
      ["POST", false],
    ] as const) {
      const sent: string[] = [];
      // The first connection answers once and dies on the second request, as a server does whose idle time ran out.
      const serve = (socket: net.Socket, index: number) => {
        let requests = 0;
        socket.on("data", (data) => {
          sent.push(data.toString().split(" ")[0]!);
          if (index === 0 && ++requests === 2) socket.destroy();
          else socket.write(ANSWER);
        });
      };
      await withSockets(serve, async (port) => {
        const own = open({ allow: LOOPBACK, connectionsPerOrigin: 1 });
        await send(`http://127.0.0.1:${port}/`, {}, own);
        const second = send(`http://127.0.0.1:${port}/`, { method }, own);
        if (survives) assert.equal((await second).status, 200);
        else await assertFails(second, "connection_reset", true);
        await own.close();
        assert.deepEqual(sent, survives ? ["GET", method, method] : ["GET", method]);
      });
    }
  });

  it("a request that breaks off on a new connection is sent once: the server had it, whatever it answered before", async () => {
    let requests = 0;
    const serve = (socket: net.Socket, index: number) =>
      socket.once("data", () => {
        requests += 1;
        if (index === 0) socket.end(ANSWER.replace("\r\n", "\r\nconnection: close\r\n"));
        else socket.destroy();
      });
    await withSockets(serve, async (port) => {
      const own = open({ allow: LOOPBACK, connectionsPerOrigin: 1 });
      await send(`http://127.0.0.1:${port}/`, {}, own);
      await assertFails(send(`http://127.0.0.1:${port}/`, {}, own), "connection_reset", true);
      await own.close();
      assert.equal(requests, 2);
    });
  });
});
