import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createUntakenResponses } from "./untaken-responses.ts";

const BODY = Buffer.alloc(32_000_000);

test("what a client does not take is counted, until its connection is gone", async (t) => {
  const clock = createManualClock();
  const untaken = createUntakenResponses(clock);
  const server = createServer((_request, response) => response.end(BODY));
  untaken.watch(server);
  t.after(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  assert.equal(untaken.bytes(), 0);

  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.pause();
  client.write("GET / HTTP/1.1\r\nhost: here\r\n\r\n");
  const [, response] = await once(server, "request");
  await new Promise(setImmediate);
  assert.equal(untaken.bytes(), 0, "it was counted a moment ago");
  await clock.advance(50);
  assert.ok(untaken.bytes() > BODY.length / 2, `${untaken.bytes()} bytes are counted`);

  const gone = once(response, "close");
  client.destroy();
  await gone;
  await clock.advance(50);
  assert.equal(untaken.bytes(), 0);
});
