/** On real sockets, by a stubbed clock; Node's timers are stubbed as well, so that no other patience than ours is tried. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { createRecording } from "../../test/support/recording.ts";
import { createListener } from "../http/listener.ts";
import { MAX_DRAIN_MS, MAX_DRAINED_BYTES } from "./drain-answered.ts";
import { createEdge, EDGE_LIMITS } from "./edge.ts";

const BODY_BYTES = 200_000;

/**
 * Refuses every POST: at once, or after the first part of its body where the path says so; `read` says how it ended for
 * who reads on, where the path asks for that.
 */
async function open(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const clock = createManualClock();
  const edge = createEdge(EDGE_LIMITS, clock, () => {});
  const read = createRecording<string>("end");
  const fetch = async (request: Request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/begun") await request.body!.getReader().read();
    if (pathname === "/reading")
      void request.arrayBuffer().then(
        () => read.add("a whole body"),
        () => read.add("an error"),
      );
    return new Response("refused", { status: 413 });
  };
  const arriving = createRecording<IncomingMessage>("request");
  const answer = createListener(fetch, edge);
  const server = createServer((incoming, outgoing) => {
    arriving.add(incoming);
    return answer(incoming, outgoing);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => {});
  client.setEncoding("utf8");
  t.after(() => {
    client.destroy();
    server.closeAllConnections();
    server.close();
  });
  const begin = async (
    path: string,
    sentBytes: number,
    { connection = "keep-alive", bytes = BODY_BYTES } = {},
  ) => {
    client.write(`POST ${path} HTTP/1.1\r\nhost: a\r\nconnection: ${connection}\r\n`);
    client.write(`content-length: ${bytes}\r\n\r\n${"x".repeat(sentBytes)}`);
    assert.match(await readAnswer(client), /^HTTP\/1\.1 413 /);
    const incoming = (await arriving.waitFor(() => true, { count: 1 })).at(-1)!;
    // Whatever else might end the connection after a while.
    for (let n = 0; n < 5; n += 1) {
      t.mock.timers.tick(10_000);
      await clock.advance(0);
    }
    return incoming;
  };
  return { clock, client, read, begin };
}

async function readAnswer(client: Socket): Promise<string> {
  assert.equal(client.destroyed || client.readableEnded, false, "the connection was ended");
  const ended = once(client, "close").then(() => assert.fail("the connection was ended"));
  let text = "";
  while (!text.endsWith("refused")) text += String((await Promise.race([once(client, "data"), ended]))[0]);
  ended.catch(() => {});
  return text;
}

for (const path of ["/unread", "/begun"])
  test(`a connection goes on after an answer that came before the body: ${path}`, async (t) => {
    const { client, clock, begin } = await open(t);
    await begin(path, 1_000);
    client.write("x".repeat(BODY_BYTES - 1_000));
    client.write("POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    assert.match(await readAnswer(client), /^HTTP\/1\.1 413 /);
    assert.equal(clock.sleepers, 0, "nobody looks any more");
  });

test("who still reads the body when it is answered hears that no more comes, and does not take it for whole", async (t) => {
  const { client, read, begin } = await open(t);
  await begin("/reading", 1_000);
  client.write("x".repeat(BODY_BYTES - 1_000));
  assert.deepEqual(await read.waitFor(() => true, { count: 1 }), ["an error"]);
  client.write("POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
  assert.match(await readAnswer(client), /^HTTP\/1\.1 413 /);
});

/** Sends as much a second as a body has to. */
async function sendSlowly(client: Socket, socket: Socket, clock: ManualClock, seconds: number) {
  for (let second = 0; second < seconds; second += 1) {
    const before = socket.bytesRead;
    client.write("x".repeat(1_000));
    while (socket.bytesRead < before + 1_000) await new Promise(setImmediate);
    await clock.advance(1_000);
  }
}

test("a body that keeps to its rate may come for a minute", async (t) => {
  const { client, clock, begin } = await open(t);
  const { socket } = await begin("/unread", 1_000);
  await sendSlowly(client, socket, clock, MAX_DRAIN_MS / 1_000 - 1);
  assert.equal(socket.destroyed, false);
  const closed = once(socket, "close");
  await clock.advance(1_000);
  await closed;
  assert.equal(clock.sleepers, 0);
});

test("a body that does not keep to its rate ends its connection", async (t) => {
  const { client, clock, begin } = await open(t);
  const { socket } = await begin("/unread", 1_000);
  await sendSlowly(client, socket, clock, 30);
  assert.equal(socket.destroyed, false);
  const closed = once(socket, "close");
  await clock.advance(9_999);
  assert.equal(socket.destroyed, false);
  await clock.advance(1_000);
  await closed;
  assert.equal(clock.sleepers, 0);
});

test("who goes on sending for ever is ended", async (t) => {
  const { client, clock, begin } = await open(t);
  const { socket } = await begin("/unread", 1_000, { bytes: 10 * MAX_DRAINED_BYTES });
  client.write(Buffer.alloc(MAX_DRAINED_BYTES + 1_000));
  while (socket.bytesRead < MAX_DRAINED_BYTES + 1_000) await new Promise(setImmediate);
  const closed = once(socket, "close");
  await clock.advance(1_000);
  await closed;
});

test("where the connection is not to be kept, the answer arrives, and it ends once the body is through", async (t) => {
  const { client, begin } = await open(t);
  const { socket } = await begin("/unread", 1_000, { connection: "close" });
  assert.equal(socket.destroyed, false);
  const closed = once(socket, "close");
  client.write("x".repeat(BODY_BYTES - 1_000));
  await closed;
});
