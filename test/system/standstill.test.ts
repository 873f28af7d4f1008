/** A database that stands still for longer than every lease, and a standby that takes its place: nobody's work is lost. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import pg from "pg";
import { descendantsOf } from "../../core/processes/process-tree.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { startTestPostgres, type TestServer } from "../support/servers.ts";
import { type Cluster, startCluster, waitForDirectCalls } from "./cluster.ts";
import type { WireRun } from "./runs.ts";

const LEASE_MS = 2_000;
const TASKS = 10;
const CALLS = 5;

describe("a database that stands still", () => {
  let server: TestServer;
  let cluster: Cluster;
  let sink: HttpSink;

  before(async () => {
    [server, sink] = await Promise.all([startTestPostgres(), createHttpSink()]);
    cluster = await startCluster({
      databaseUrl: server.address,
      schedulers: 2,
      workers: 2,
      env: { WORKER_LEASE: `${LEASE_MS}ms` },
    });
  });

  after(async () => {
    // Stopped processes take no other signal.
    if (server) signalServer("SIGCONT");
    await cluster?.stop();
    await Promise.all([server?.stop(), sink?.close()]);
  });

  function signalServer(signal: NodeJS.Signals): void {
    for (const pid of [server.pid, ...descendantsOf(server.pid)]) {
      try {
        process.kill(pid, signal);
      } catch {
        // A session that has ended meanwhile.
      }
    }
  }

  test("for longer than the lease costs no attempt and no call", async () => {
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
    await sink.waitFor(() => true, { count: TASKS + CALLS, timeoutMs: 60_000 });
    // Leases are judged by then: the schedulers have reached the database for longer than one.
    await until(async () => (await lostRunsAreJudged()) || undefined, 60_000);
    signalServer("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 2 * LEASE_MS));
    signalServer("SIGCONT");
    held.resolve();
    const answers = await Promise.all(calls);
    assert.deepEqual(
      answers.map(({ status }) => status),
      answers.map(() => 200),
    );
    for (const { id } of tasks) {
      const run = await until(async () => {
        const { items } = await cluster.api.call<{ items: WireRun[] }>("GET", `/v1/tasks/${id}/runs`);
        return items[0]?.state === "running" ? undefined : items[0];
      }, 60_000);
      assert.deepEqual([run.state, run.attempts.length], ["succeeded", 1], JSON.stringify(run.attempts));
    }
    assert.equal(sink.requests.length, TASKS + CALLS, "nothing ran twice");
  });

  /** Whether a run of a worker that never was is rescued: one is planted, and looked for. */
  async function lostRunsAreJudged(): Promise<boolean> {
    const client = new pg.Client({ connectionString: server.address });
    await client.connect();
    try {
      await client.query(
        `INSERT INTO task_runs_open (id, namespace_id, function_id, type, trigger, state, scheduled_for, available_at,
           started_at, worker_id)
         SELECT gen_random_uuid(), namespace_id, id, 'function', 'invoke', 'running', now(), now(), now(), gen_random_uuid()
         FROM functions WHERE name = 'held'
           AND NOT EXISTS (SELECT FROM task_runs r WHERE r.function_id = functions.id AND r.claim_no = 0)`,
      );
      const { rows } = await client.query(
        "SELECT FROM task_runs WHERE claim_no = 0 AND error ->> 'code' = 'worker_lost'",
      );
      return rows.length > 0;
    } finally {
      await client.end();
    }
  }
});
