/** Bodies of `/v1`, on real sockets: what they hold while they come, and while their routes are at work. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type TestContext, test } from "node:test";
import { Hono } from "hono";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createRecording } from "../../test/support/recording.ts";
import { createEdge, EDGE_LIMITS } from "../edge/edge.ts";
import type { ApiEnv } from "../environment.ts";
import { MAX_UPLOAD_BYTES } from "../functions/upload.ts";
import { createListener } from "../http/listener.ts";
import { answerProblem, toBellhopError } from "../http/problem.ts";
import { limitBody, readJson } from "./body.ts";

/** A route that says how many bytes of JSON it got, once it is let go. */
async function open(t: TestContext) {
  const edge = createEdge(EDGE_LIMITS, createManualClock(), () => {});
  const parsed = createRecording<number>("body");
  const going = Promise.withResolvers<void>();
  const faults: unknown[] = [];
  const app = new Hono<ApiEnv>();
  app.use(async (context, next) => {
    context.set("owner", {
      ...{ keyId: "k", keyName: "k", namespaceId: "n", namespace: "n", scopes: ["admin"] },
      ...{ functions: null, limits: null, expiresAt: null },
    });
    await next();
  });
  const uploads = { maxBytes: 3_000_000, shares: edge.uploads };
  app.use(
    limitBody(
      edge,
      async () => {},
      ({ req }) => (req.path === "/upload" ? uploads : undefined),
    ),
  );
  app.on("POST", ["/", "/upload"], async (context) => {
    const bytes = JSON.stringify(await readJson(context)).length;
    parsed.add(bytes);
    await going.promise;
    return context.json({ bytes });
  });
  app.post("/unread", async (context) => {
    parsed.add(0);
    await going.promise;
    return context.json({});
  });
  app.notFound((context) => context.text("no route", 404));
  app.onError((error, context) => {
    faults.push(error);
    return answerProblem(context, toBellhopError(error, { error() {} } as never, {}));
  });
  const server = createServer(createListener(app.fetch, edge));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  t.after(() => {
    going.resolve();
    server.closeAllConnections();
    server.close();
  });

  /** Sends the head, and the body once the API waits for it; the status and the body of the answer. */
  async function send(head: string, body: string, isAwaited: () => boolean) {
    const client = connect(port, "127.0.0.1");
    const answer = (async () => {
      let text = "";
      for await (const chunk of client.setEncoding("utf8")) text += chunk;
      return { status: Number(text.split(" ")[1]), body: text.split("\r\n\r\n")[1] };
    })();
    client.write(`${head} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n`);
    const [first, rest] = [body.slice(0, 1), body.slice(1)];
    client.write(`content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${first}`);
    while (!isAwaited()) await new Promise(setImmediate);
    client.write(rest);
    return answer;
  }
  /** A body, of 1.9 MB unless it is said, that comes in pieces. */
  const sendLarge = (path: string, chars = 1_900_000) => {
    const held = () => edge.bodies.held + edge.uploads.held;
    const before = held();
    return send(`POST ${path}`, JSON.stringify("x".repeat(chars)), () => held() > before);
  };
  return { edge, parsed, going, faults, port, send, sendLarge };
}

test("a body that was handed to its route holds nothing of the share, however long the route takes", async (t) => {
  const { edge, parsed, going, sendLarge } = await open(t);
  const answers: Promise<{ status: number; body: string | undefined }>[] = [];
  for (let count = 1; count <= 40; count += 1) {
    answers.push(sendLarge("/"));
    await parsed.waitFor(() => true, { count });
    assert.equal(edge.bodies.held, 0, `after ${count}`);
  }
  going.resolve();
  for (const { status, body } of await Promise.all(answers))
    assert.deepEqual([status, body], [200, '{"bytes":1900002}']);
});

test("bodies on their way have the namespace's share, and those that nobody reads hold theirs until the answer", async (t) => {
  const { edge, parsed, going, sendLarge } = await open(t);
  const answers: Promise<{ status: number; body: string | undefined }>[] = [];
  for (let count = 1; count <= 16; count += 1) {
    answers.push(sendLarge("/unread"));
    await parsed.waitFor(() => true, { count });
  }
  assert.equal(edge.bodies.held, 16 * 1_900_002);
  const { status, body } = await sendLarge("/unread");
  assert.deepEqual([status, JSON.parse(body!).code], [503, "too_many_bodies"]);
  going.resolve();
  for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
  assert.equal(edge.bodies.held, 0);
});

test("uploads of one namespace leave room for those of three others, each of the largest", () => {
  const { uploads } = createEdge(EDGE_LIMITS, createManualClock(), () => {});
  let count = 0;
  const takes = (namespaceId: string) => {
    count += 1;
    return uploads.take({ namespaceId, functionId: `upload ${count}` }, MAX_UPLOAD_BYTES);
  };
  assert.deepEqual(["a", "a", "b", "c", "d"].map(takes), [true, false, true, true, true]);
});

test("what a route goes on holding has a share of its own until the answer, and may be longer", async (t) => {
  const { edge, parsed, going, send, sendLarge } = await open(t);
  const answers = [sendLarge("/upload", 2_900_000), sendLarge("/upload", 2_900_000)];
  await parsed.waitFor(() => true, { count: 2 });
  assert.deepEqual([edge.uploads.held, edge.bodies.held], [2 * 2_900_002, 0]);
  const [tooLong, elsewhere] = [
    await send("POST /upload", `"${"x".repeat(3_000_000)}"`, () => true),
    await send("POST /", `"${"x".repeat(2_500_000)}"`, () => true),
  ];
  assert.deepEqual([tooLong.status, elsewhere.status], [413, 413]);
  going.resolve();
  for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
  assert.equal(edge.uploads.held, 0);
});

test("so has what came with its head", async (t) => {
  const { edge, parsed, going, port } = await open(t);
  const headers = { "content-type": "application/json" };
  const sending = fetch(`http://127.0.0.1:${port}/upload`, { method: "POST", headers, body: '"abc"' });
  await parsed.waitFor(() => true);
  assert.deepEqual([edge.uploads.held, edge.bodies.held], [5, 0]);
  going.resolve();
  assert.equal((await sending).status, 200);
  assert.equal(edge.uploads.held, 0);
});

test("a method that takes no body may announce one: it is not read, and no fault of the API's", async (t) => {
  const { faults, send } = await open(t);
  for (const method of ["TRACE", "GET", "HEAD"]) {
    const { status } = await send(`${method} /`, '{"a":1}', () => true);
    assert.equal(status, 404, method);
  }
  for (const method of ["OPTIONS", "DELETE", "PROPFIND"])
    assert.equal((await send(`${method} /`, '{"a":1}', () => true)).status, 404, method);
  assert.deepEqual(faults, []);
});
