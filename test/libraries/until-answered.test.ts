import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import { untilAnswered } from "./until-answered.ts";

const atOnce = () => Promise.resolve();

test("a server that resets connections as it starts is asked until it answers", async (t) => {
  let left = 3;
  const server = createServer((_, response) => response.writeHead(500).end("what it says"));
  server.prependListener("connection", (socket: Socket) => {
    if (left-- > 0) socket.resetAndDestroy();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const answer = await untilAnswered(async () => {
    const response = await fetch(url, { headers: { connection: "close" } });
    return [response.status, await response.text()];
  }, atOnce);
  assert.deepEqual(answer, [500, "what it says"]);
  assert.equal(left, -1);
});

test("one that never answers is given up, and any other failure is thrown at once", async () => {
  let asked = 0;
  const fail = (error: Error) => async (): Promise<never> => {
    asked += 1;
    throw error;
  };
  await assert.rejects(untilAnswered(fail(new TypeError("fetch failed")), atOnce), /fetch failed/);
  assert.equal(asked, 100);
  await assert.rejects(untilAnswered(fail(new Error("It has ended.")), atOnce), /It has ended/);
  assert.equal(asked, 101);
});
