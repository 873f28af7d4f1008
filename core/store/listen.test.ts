import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { pipeline } from "node:stream";
import { type TestContext, test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { type Clock, systemClock } from "../clock.ts";
import { type Bell, openListener } from "./listen.ts";
import { openTestStore, until } from "./testing/test-store.ts";

const { store, url } = await openTestStore(createTestDatabase);
const ignore = () => {};

async function listeningPids(): Promise<number[]> {
  const { rows } = await store.pool.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'bellhop-listen' AND datname = current_database()",
  );
  return rows.map(({ pid }) => pid);
}

async function cutConnections(): Promise<void> {
  for (const pid of await listeningPids()) await store.pool.query("SELECT pg_terminate_backend($1)", [pid]);
}

const ring = (channel: string, payload: string) =>
  store.pool.query("SELECT pg_notify($1, $2)", [channel, payload]);
const when = (holds: () => boolean) => until(async () => holds() || undefined);

test("a bell reaches every handler of its channel and no other, with its ids", async (t) => {
  const listener = await openListener(url, systemClock, ignore);
  t.after(() => listener.close());
  assert.ok(listener.isListening());
  const first: Bell[] = [];
  const second: Bell[] = [];
  const other: Bell[] = [];
  listener.on("bellhop_cancel", (bell) => first.push(bell));
  listener.on("bellhop_cancel", (bell) => second.push(bell));
  listener.on("bellhop_runs", (bell) => other.push(bell));
  // LISTEN takes effect a moment later, in the order it was asked for.
  await until(async () => {
    await ring("bellhop_runs", "");
    return other.length > 0 || undefined;
  });
  assert.deepEqual(other[0], { ids: [], resync: false });
  assert.deepEqual(first, []);
  await ring("bellhop_cancel", "a,b");
  await when(() => second.length > 0);
  assert.deepEqual(first, [{ ids: ["a", "b"], resync: false }]);
  assert.deepEqual(second, first);
});

test("after a lost connection it listens again on every channel, and says that bells may be missing", async (t) => {
  const listener = await openListener(url, systemClock, ignore);
  t.after(() => listener.close());
  const bells: Record<string, Bell[]> = { bellhop_runs: [], bellhop_cancel: [] };
  listener.on("bellhop_runs", (bell) => bells["bellhop_runs"]!.push(bell));
  listener.on("bellhop_cancel", (bell) => bells["bellhop_cancel"]!.push(bell));
  for (const round of [1, 2]) {
    const resyncs = (channel: string) => bells[channel]!.filter(({ resync }) => resync).length;
    await cutConnections();
    await when(() => resyncs("bellhop_runs") === round && resyncs("bellhop_cancel") === round);
    assert.ok(listener.isListening());
    await ring("bellhop_cancel", `after-${round}`);
    await when(() => bells["bellhop_cancel"]!.some(({ ids }) => ids[0] === `after-${round}`));
  }
  // A session that was ended is listed until it is gone.
  await until(async () => ((await listeningPids()).length === 1 ? true : undefined));
});

test("while the connection is lost it says so, and what is asked for meanwhile is heard afterwards", async (t) => {
  const gate = Promise.withResolvers<void>();
  const clock: Clock = { ...systemClock, sleep: () => gate.promise };
  const listener = await openListener(url, clock, ignore);
  t.after(() => listener.close());
  await cutConnections();
  await when(() => !listener.isListening());
  const bells: Bell[] = [];
  listener.on("bellhop_finished", (bell) => bells.push(bell));
  gate.resolve();
  await when(() => bells.length > 0);
  assert.deepEqual(bells, [{ ids: [], resync: true }]);
  await ring("bellhop_finished", "x");
  await when(() => bells.length > 1);
  assert.deepEqual(bells[1], { ids: ["x"], resync: false });
});

test("a database that stays away is tried again, each failure reported", async (t) => {
  const waits: number[] = [];
  const errors: unknown[] = [];
  let refuse = true;
  const gate = Promise.withResolvers<void>();
  const clock: Clock = {
    ...systemClock,
    async sleep(ms) {
      waits.push(ms);
      if (waits.length < 4) return;
      if (refuse) await setConnectionLimit(-1);
      refuse = false;
      gate.resolve();
    },
  };
  const name = new URL(url).pathname.slice(1);
  const setConnectionLimit = (limit: number) =>
    store.pool.query(`ALTER DATABASE ${name} CONNECTION LIMIT ${limit}`);
  const listener = await openListener(url, clock, (error) => errors.push(error));
  t.after(() => listener.close());
  await setConnectionLimit(0);
  await cutConnections();
  await gate.promise;
  await when(() => listener.isListening());
  assert.deepEqual(waits.slice(0, 4), [100, 250, 500, 1_000]);
  assert.ok(errors.length >= 3);
});

test("closing ends the connection and calls nobody any more", async () => {
  const listener = await openListener(url, systemClock, ignore);
  const bells: Bell[] = [];
  listener.on("bellhop_runs", (bell) => bells.push(bell));
  await listener.close();
  await listener.close();
  assert.ok(!listener.isListening());
  await ring("bellhop_runs", "late");
  await until(async () => ((await listeningPids()).length === 0 ? true : undefined));
  assert.deepEqual(bells, []);
});

/** Passes connections on to the database, once `mayPass` resolves, and counts them. */
async function openProxy(t: TestContext) {
  const { hostname, port } = new URL(url);
  const proxy = { counts: { opened: 0, closed: 0 }, mayPass: Promise.resolve() };
  const { counts } = proxy;
  const server = createServer(async (socket) => {
    counts.opened += 1;
    await proxy.mayPass;
    const upstream = connect(Number(port), hostname);
    pipeline(socket, upstream, socket, () => {
      counts.closed += 1;
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const proxied = new URL(url);
  proxied.hostname = "127.0.0.1";
  proxied.port = String((server.address() as AddressInfo).port);
  return Object.assign(proxy, { url: proxied.href });
}

test("closing while it reconnects leaves no connection behind", async (t) => {
  const proxy = await openProxy(t);
  const gate = Promise.withResolvers<void>();
  const clock: Clock = { ...systemClock, sleep: () => gate.promise };
  const listener = await openListener(proxy.url, clock, ignore);
  const bells: Bell[] = [];
  listener.on("bellhop_runs", (bell) => bells.push(bell));
  const passing = Promise.withResolvers<void>();
  proxy.mayPass = passing.promise;
  await cutConnections();
  await when(() => !listener.isListening());
  gate.resolve();
  await when(() => proxy.counts.opened === 2);
  await listener.close();
  passing.resolve();
  await when(() => proxy.counts.closed === 2);
  assert.ok(!listener.isListening());
  assert.deepEqual(bells, [], "nobody is told to look again");
});

test("a database that is not there is refused at the start", async () => {
  await assert.rejects(openListener("postgres://nobody@127.0.0.1:1/none", systemClock, ignore));
});
