/** How many connections an API has, and what becomes of one that is idle. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { openTestStore } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { startApi } from "../main.ts";
import { EDGE_LIMITS } from "./edge.ts";

const { url } = await openTestStore(createTestDatabase);

async function start(t: { after(done: () => Promise<void>): void }, maxConnections: number) {
  const env = { DATABASE_URL: url, HOST: "127.0.0.1", PORT: "0", LOG_LEVEL: "silent" };
  const limits = { ...EDGE_LIMITS, server: { ...EDGE_LIMITS.server, maxConnections } };
  const api = await startApi(env, undefined, limits);
  t.after(() => api.stop());
  return api.port;
}

test("more connections than there may be are closed as they come", async (t) => {
  const port = await start(t, 2);
  const dial = async () => {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    t.after(() => void socket.destroy());
    await once(socket, "connect");
    return socket;
  };
  const first = await dial();
  await dial();
  const third = await dial();
  await once(third, "close");
  assert.equal(first.destroyed, false);
  first.write("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
  const [answer] = (await once(first, "data")) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 200 /);
});

test("a caller is told how long an idle connection stays open", async (t) => {
  const port = await start(t, 2);
  const agent = new Agent({ keepAlive: true });
  t.after(async () => agent.destroy());
  const [answer] = (await once(get({ port, path: "/healthz", agent }), "response")) as [IncomingMessage];
  answer.resume();
  assert.equal(answer.headers["keep-alive"], "timeout=5");
});
