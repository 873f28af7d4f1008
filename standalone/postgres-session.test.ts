import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import pg from "pg";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";
import { ensureDatabase } from "./postgres-session.ts";

/** The way to a server that keeps its first connections waiting for ever, as a loaded machine seems to. */
async function startSlowWay(t: TestContext, port: number, kept: number) {
  const way = { port: 0, connections: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    way.connections += 1;
    if (way.connections <= kept) return;
    const onward = connect(port, "127.0.0.1");
    sockets.add(onward);
    for (const each of [socket, onward]) each.on("error", () => {});
    socket.pipe(onward).pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  way.port = (server.address() as AddressInfo).port;
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return way;
}

test("a server that is slow to begin a session is asked again, and a database that is missing is made", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "bellhop-pg-"));
  t.after(() => rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  const server = await startEmbeddedPostgres({ dataDir, settings: { fsync: "off", shared_buffers: "16MB" } });
  t.after(() => server.stop());
  const password = (await readFile(join(dataDir, "postgres.password"), "utf8")).trim();

  const way = await startSlowWay(t, server.port, 2);
  await ensureDatabase({ port: way.port, password, connectTimeoutMs: 1_000 }, "changed");
  assert.ok(way.connections > 2);
  const url = Object.assign(new URL(server.url), { password: "changed" }).href;
  const reach = async (connectionString: string, text: string) => {
    const client = new pg.Client({ connectionString });
    await client.connect();
    await client.query(text).finally(() => client.end());
  };
  await reach(url, "SELECT 1");

  // As an earlier release left its data where it was killed at its first start.
  const admin = `postgres://postgres:${password}@127.0.0.1:${server.port}/postgres`;
  await reach(admin, "DROP DATABASE bellhop WITH (FORCE)");
  await ensureDatabase({ port: server.port, password }, "changed");
  await reach(url, "SELECT 1");

  const never = await startSlowWay(t, server.port, 1_000);
  const given = { port: never.port, password, connectTimeoutMs: 50, timeoutMs: 500 };
  await assert.rejects(ensureDatabase(given, "again"), /timeout/);
  const gone = await startSlowWay(t, server.port, 1_000);
  await assert.rejects(
    ensureDatabase({ port: gone.port, password, connectTimeoutMs: 500, isUp: () => false }, "again"),
    /timeout/,
  );
  assert.equal(gone.connections, 1);
});
