/** Real sockets, for the kernel's buffers are part of it; the time is stubbed. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createRecording } from "../../test/support/recording.ts";
import { countTaken, cutStalledReaders } from "./stalled-readers.ts";

const MORE_THAN_THE_KERNEL_TAKES = Buffer.alloc(64_000_000);

async function open(t: TestContext) {
  const clock = createManualClock();
  const over = new AbortController();
  const cut: Socket[] = [];
  const responses = createRecording<ServerResponse>("response");
  const server = createServer((_request, response) => responses.add(response));
  cutStalledReaders(server, {
    ...{ rate: { graceMs: 60_000, bytesPerSecond: 1_000 }, clock, signal: over.signal },
    onCut: (socket) => cut.push(socket),
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.on("error", () => {});
  client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  t.after(() => {
    over.abort();
    client.destroy();
    server.closeAllConnections();
    server.close();
  });
  const [response] = await responses.waitFor(() => true);
  return { clock, cut, client, response: response! };
}

/** Takes at least so much of what is there. */
async function take(client: Socket, bytes: number): Promise<void> {
  for (let taken = 0; taken < bytes; ) {
    const chunk: Buffer | null = client.read();
    if (chunk) taken += chunk.byteLength;
    else await once(client, "readable");
  }
  await nextTurn();
}

test("who takes nothing of what is there for a minute is cut off", async (t) => {
  const { clock, cut, response } = await open(t);
  response.write(MORE_THAN_THE_KERNEL_TAKES);
  // From the first look at which something waited.
  await clock.advance(69_999);
  assert.equal(cut.length, 0);
  const closed = once(response, "close");
  await clock.advance(1);
  assert.deepEqual(cut, [response.req.socket]);
  await closed;
});

test("who has taken everything may wait for ever", async (t) => {
  const { clock, cut, client, response } = await open(t);
  response.write("data: 1\n\n");
  await take(client, 1);
  await clock.advance(86_400_000);
  assert.equal(cut.length, 0);
});

test("who takes a large answer piece by piece is not cut off, though it is one write", async (t) => {
  const { clock, cut, client, response } = await open(t);
  response.write(MORE_THAN_THE_KERNEL_TAKES);
  for (let minutes = 0; minutes < 4; minutes += 1) {
    await clock.advance(50_000);
    const { socket } = response.req;
    const before = countTaken(socket);
    // The kernel takes more once it has given away enough.
    while (countTaken(socket) < before + 100_000) await take(client, 500_000);
  }
  assert.ok(response.writableLength > 0, "it is not through");
  assert.equal(cut.length, 0);
  await clock.advance(80_000);
  assert.equal(cut.length, 1);
});
