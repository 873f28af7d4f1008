/** A database that stands still for longer than every lease, and a standby that takes its place: nobody's work is lost. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { signalTree } from "../../core/processes/signal.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../support/database.ts";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { type ReplicatedPostgres, startReplicatedPostgres } from "../support/replicated-postgres.ts";
import { startTestPostgres, type TestServer } from "../support/servers.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { type Cluster, startCluster, waitForDirectCalls } from "./cluster.ts";
import type { WireRun } from "./runs.ts";

/** Longer than a busy machine keeps a role from its renewals. */
const LEASE_MS = 4_000;
/** Long enough for a renewal that hangs, and another one. */
const LONGER_LEASE_MS = 9_000;
const TASKS = 10;
const CALLS = 5;
const ENV = { WORKER_LEASE: `${LEASE_MS}ms` };

/** Runs and calls of which each is under way until `release`, and what must have become of them. */
async function beginWork(cluster: Cluster, sink: HttpSink) {
  const held = Promise.withResolvers<void>();
  sink.reply = async () => {
    await held.promise;
    return {};
  };
  await waitForDirectCalls(cluster.api);
  await cluster.api.call("PUT", "/v1/functions/held", {
    source: "export default async ({ url }) => (await fetch(url)).status;",
  });
  const tasks = await Promise.all(
    Array.from({ length: TASKS }, () =>
      cluster.api.call<{ id: string }>("POST", "/v1/tasks", { type: "http", url: `${sink.url}/task` }),
    ),
  );
  const calls = Array.from({ length: CALLS }, () =>
    fetch(`${cluster.api.url}/v1/functions/held/invoke`, {
      method: "POST",
      headers: { authorization: `Bearer ${cluster.api.key}` },
      body: JSON.stringify({ url: `${sink.url}/call` }),
    }),
  );
  // Who looks at their answers hears of it.
  for (const call of calls) call.catch(() => {});
  await sink.waitFor(() => true, { count: TASKS + CALLS });
  return {
    release: () => held.resolve(),
    async assertUnharmed(): Promise<void> {
      const answers = await Promise.all(calls);
      assert.deepEqual(
        answers.map(({ status }) => status),
        answers.map(() => 200),
      );
      for (const { id } of tasks) {
        const run = await until(async () => {
          const { items } = await cluster.api.call<{ items: WireRun[] }>("GET", `/v1/tasks/${id}/runs`);
          return items[0]?.state === "running" ? undefined : items[0];
        });
        assert.deepEqual([run.state, run.attempts.length], ["succeeded", 1], JSON.stringify(run.attempts));
      }
      assert.equal(sink.requests.length, TASKS + CALLS, "nothing ran twice");
    },
  };
}

/** Resolves once lost runs are rescued: a run of a worker that never was is planted, and looked for. */
async function whenLeasesAreJudged(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on("error", () => {});
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string }>(
      `INSERT INTO task_runs_open (id, namespace_id, function_id, type, trigger, state, scheduled_for, available_at,
         started_at, worker_id)
       SELECT gen_random_uuid(), namespace_id, id, 'function', 'invoke', 'running', now(), now(), now(), gen_random_uuid()
       FROM functions WHERE name = 'held' RETURNING id`,
    );
    await until(async () => {
      const found = await client.query("SELECT FROM task_runs WHERE id = $1 AND state = 'failed'", [
        rows[0]!.id,
      ]);
      return found.rows.length > 0 || undefined;
    });
  } finally {
    await client.end();
  }
}

describe("a database that stands still", () => {
  let server: TestServer;
  let cluster: Cluster;
  let sink: HttpSink;

  before(async () => {
    [server, sink] = await Promise.all([startTestPostgres(), createHttpSink()]);
    cluster = await startCluster({ databaseUrl: server.address, schedulers: 2, workers: 2, env: ENV });
  });

  after(async () => {
    // Stopped processes take no other signal.
    if (server) signalTree(server.pid, "SIGCONT");
    await cluster?.stop();
    await Promise.all([server?.stop(), sink?.close()]);
  });

  test("for longer than the lease costs no attempt and no call", async () => {
    const work = await beginWork(cluster, sink);
    await whenLeasesAreJudged(server.address);
    signalTree(server.pid, "SIGSTOP");
    // The standstill itself.
    await wait(2 * LEASE_MS);
    signalTree(server.pid, "SIGCONT");
    work.release();
    await work.assertUnharmed();
  });
});

describe("a standby that is promoted", () => {
  let server: ReplicatedPostgres;
  let proxy: TcpProxy;
  let cluster: Cluster;
  let sink: HttpSink;

  before(async () => {
    [server, sink] = await Promise.all([startReplicatedPostgres(), createHttpSink()]);
    const url = new URL(server.url);
    proxy = await startTcpProxy(Number(url.port));
    url.port = String(proxy.port);
    cluster = await startCluster({ databaseUrl: url.href, schedulers: 2, workers: 2, env: ENV });
  });

  after(async () => {
    await cluster?.stop();
    await Promise.all([proxy?.close(), sink?.close()]);
    await server?.stop();
  });

  test("after longer than the lease costs no attempt and no call either", async () => {
    const work = await beginWork(cluster, sink);
    await whenLeasesAreJudged(cluster.databaseUrl);
    proxy.hold();
    await server.failOver();
    // However quick the promotion was: every lease has run out by the time the new server is reached.
    await wait(1.5 * LEASE_MS);
    proxy.redirect(server.standbyPort);
    proxy.release();
    work.release();
    await work.assertUnharmed();
  });
});

describe("connections that die without a word", () => {
  let proxy: TcpProxy;
  let cluster: Cluster;
  let sink: HttpSink;

  before(async () => {
    sink = await createHttpSink();
    const database = await createTestDatabase();
    const url = new URL(database.url);
    proxy = await startTcpProxy(Number(url.port));
    url.port = String(proxy.port);
    cluster = await startCluster({
      ...{ databaseUrl: url.href, schedulers: 2, workers: 2 },
      env: { WORKER_LEASE: `${LONGER_LEASE_MS}ms` },
    });
  });

  after(async () => {
    await cluster?.stop();
    await Promise.all([proxy?.close(), sink?.close()]);
  });

  test("cost no run its worker: leases are renewed, and judged, on others", async () => {
    await beginWork(cluster, sink);
    await whenLeasesAreJudged(cluster.databaseUrl);
    proxy.abandon();
    await wait(1.5 * LONGER_LEASE_MS);
    // Lost runs are rescued again, long before the statements that hang are given up; of those that live none was.
    await whenLeasesAreJudged(cluster.databaseUrl);
    const client = new pg.Client({ connectionString: cluster.databaseUrl });
    await client.connect();
    const { rows } = await client.query("SELECT state, attempts FROM task_runs_open");
    await client.end();
    const running = { state: "running", attempts: [] };
    assert.deepEqual(rows, Array(TASKS + CALLS).fill(running));
  });
});
