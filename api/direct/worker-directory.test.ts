import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { CALLERS_HEADER, DIRECT_PROTOCOL } from "../../core/contracts/direct-call.ts";
import type { CallableWorker } from "../../core/store/workers.ts";
import type { Logger } from "../../core/telemetry/log.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createRecording } from "../../test/support/recording.ts";
import { createWorkerDirectory } from "./worker-directory.ts";

const LEASE_MS = 6_000;

function worker(id: string, address: string): CallableWorker {
  return { id, address, callToken: "t", slots: 2, isDraining: false, leaseMs: LEASE_MS, isLapsed: false };
}

interface Served {
  /** It says that it asks for callers. */
  meetsCallers?: boolean;
  /** It answers when this is resolved. */
  ready?: Promise<void>;
}

async function serve(t: TestContext, { meetsCallers = false, ready = Promise.resolve() }: Served = {}) {
  const sockets: Socket[] = [];
  const says = meetsCallers ? `${CALLERS_HEADER}: 1\r\n` : "";
  const server = createServer((_request, response) => response.writeHead(404).end());
  server.on("upgrade", async (_request, socket: Socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    await ready;
    socket.write(
      `HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: ${DIRECT_PROTOCOL}\r\n${says}\r\n`,
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const kill = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  t.after(kill);
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, kill };
}

const listen = async (t: TestContext) => (await serve(t)).address;

/** A directory of the workers that `standing` holds, and what it looks up and opens. */
function open(t: TestContext) {
  const clock = createManualClock();
  const standing = { workers: [] as CallableWorker[], hasQueueWorkers: false };
  const looks = createRecording<number>("look");
  const failures = createRecording<string>("failed connection");
  const opened = createRecording<string>("worker that takes calls");
  const heard: Date[] = [];
  let ring = () => {};
  const directory = createWorkerDirectory({
    held: { apiId: "api", meet: () => false },
    async listWorkers() {
      const word = { at: clock.now(), exactAt: clock.now().toISOString(), serverStartedAt: new Date(0) };
      looks.add(looks.items.length);
      return { word, ...standing };
    },
    hearTime: ({ at }) => void heard.push(at),
    listener: {
      async on(_channel, hear) {
        ring = () => hear({ ids: [], resync: false });
      },
      isListening: () => true,
      close: async () => {},
    },
    clock,
    log: {
      warn: (_facts: object, message: string) => failures.add(message),
      debug() {},
    } as unknown as Logger,
  });
  directory.onOpened(() => opened.add(directory.choose("revision", new Set())!.worker.id));
  t.after(() => directory.close());
  /** Looks again, and resolves once that look's answer is taken. */
  const look = async () => {
    const seen = looks.items.length;
    ring();
    await looks.waitFor(() => true, { count: seen + 1 });
    await new Promise(setImmediate);
  };
  return { clock, standing, looks, failures, opened, heard, directory, look };
}

test("a worker that says that it came is connected at once, and whoever waits for one is told", async (t) => {
  const { standing, opened, directory, look } = open(t);
  await look();
  assert.equal(directory.isQueueOnly(), false);
  standing.workers = [worker("w", await listen(t))];
  await look();
  await opened.waitFor((id) => id === "w");
});

test("one whose row is missing is given up only once leases may be judged: a server that crashed may have lost it", async (t) => {
  const { clock, standing, opened, directory, look } = open(t);
  const { address } = await serve(t, { meetsCallers: true });
  const living = worker("w", address);
  standing.workers = [living];
  await look();
  await opened.waitFor((id) => id === "w");
  const link = directory.choose("revision", new Set())!;
  standing.workers = [];
  await look();
  assert.equal(link.isOpen, true);
  // It writes its row anew.
  standing.workers = [living];
  await look();
  assert.deepEqual([link.isOpen, await directory.meetsCallers()], [true, true]);
  standing.workers = [];
  await clock.advance(LEASE_MS - 1);
  assert.equal(directory.choose("revision", new Set()), link);
  await clock.advance(1_000);
  assert.equal(directory.choose("revision", new Set()), undefined);
  assert.equal(link.isOpen, false);
});

test("workers without an address get their work by the queue alone, as long as no other stands", async (t) => {
  const { standing, opened, directory, look } = open(t);
  standing.hasQueueWorkers = true;
  await look();
  assert.equal(directory.isQueueOnly(), true);
  standing.workers = [worker("w", await listen(t))];
  await look();
  await opened.waitFor(() => true);
  assert.equal(directory.isQueueOnly(), false);
});

test("one that cannot be reached counts as such once its lease would be over, and was renewed all the same", async (t) => {
  const { clock, standing, failures, directory, look } = open(t);
  standing.workers = [worker("w", "127.0.0.1:1")];
  await look();
  await failures.waitFor(() => true);
  assert.equal(directory.isQueueOnly(), false, "it may have died a moment ago");
  await clock.advance(LEASE_MS + 1);
  assert.equal(directory.isQueueOnly(), true);
  standing.workers = [{ ...standing.workers[0]!, isLapsed: true }];
  await look();
  assert.equal(directory.isQueueOnly(), false);
});

test("callers are held where each worker that may claim is connected and says that it asks for them", async (t) => {
  const { standing, failures, opened, directory, look } = open(t);
  await look();
  assert.equal(await directory.meetsCallers(), true, "none stands yet");
  standing.workers = [worker("away", "127.0.0.1:1")];
  await look();
  assert.equal(await directory.meetsCallers(), undefined);
  await failures.waitFor(() => true);
  standing.workers = [{ ...standing.workers[0]!, isLapsed: true }];
  await look();
  assert.equal(await directory.meetsCallers(), true);
  // This one does not say so.
  standing.workers = [worker("w", await listen(t))];
  await look();
  await opened.waitFor(() => true);
  assert.equal(await directory.meetsCallers(), false);
});

test("one that was killed meets callers as far as it said so, until its lease would be over", async (t) => {
  const { clock, standing, failures, opened, directory, look } = open(t);
  const { address, kill } = await serve(t, { meetsCallers: true });
  standing.workers = [worker("w", address)];
  await look();
  await opened.waitFor(() => true);
  kill();
  while (directory.choose("revision", new Set())) await new Promise(setImmediate);
  assert.equal(await directory.meetsCallers(), true);
  while (failures.items.length === 0) await look();
  assert.equal(await directory.meetsCallers(), true);
  // It renews its lease, and cannot be reached: it lives, and would ask in vain.
  await clock.advance(LEASE_MS + 1);
  assert.equal(await directory.meetsCallers(), false);
});

test("one that has just come is waited for, until it has said whether it meets callers", async (t) => {
  for (const meetsCallers of [true, false]) {
    const { standing, directory, look } = open(t);
    const ready = Promise.withResolvers<void>();
    const { address } = await serve(t, { meetsCallers, ready: ready.promise });
    standing.workers = [worker("w", address)];
    await look();
    const told = directory.meetsCallers();
    ready.resolve();
    assert.equal(await told, meetsCallers);
  }
});

test("while nobody calls it looks four times a lease, and hears the database's time each time", async (t) => {
  const { clock, standing, looks, opened, heard, directory, look } = open(t);
  standing.workers = [worker("w", await listen(t))];
  await look();
  await opened.waitFor(() => true);
  const looksIn = async (ms: number) => {
    const before = looks.items.length;
    await clock.advance(ms);
    return looks.items.length - before;
  };
  await looksIn(10_000);
  assert.equal(await looksIn(12_000), 8);
  assert.equal(heard.length, looks.items.length);
  directory.choose("revision", new Set());
  await looksIn(1_500);
  assert.equal(await looksIn(6_000), 6, "six times a lease, for a moment after a call");
});
