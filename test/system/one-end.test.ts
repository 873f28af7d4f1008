/** A run has one end, and its caller hears the same that is recorded: workers that freeze, and one that is cut off. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import pg from "pg";
import { until } from "../../core/store/testing/test-store.ts";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import type { RunningProcess } from "../support/processes.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { type Cluster, startCluster, waitForDirectCalls } from "./cluster.ts";
import type { WireRun } from "./runs.ts";

/** Longer than a busy machine keeps a worker from its renewals. */
const LEASE = "4s";

describe("one end of a run", () => {
  let cluster: Cluster;
  let sink: HttpSink;
  let database: pg.Client;
  let proxy: TcpProxy;
  /** Reaches the database through the proxy alone. */
  let worker: RunningProcess;

  before(async () => {
    sink = await createHttpSink();
    cluster = await startCluster({ schedulers: 1, workers: 0, env: { WORKER_LEASE: LEASE } });
    const url = new URL(cluster.databaseUrl);
    proxy = await startTcpProxy(Number(url.port));
    url.port = String(proxy.port);
    worker = await cluster.startWorker({ DATABASE_URL: url.href });
    database = new pg.Client({ connectionString: cluster.databaseUrl });
    await database.connect();
    // Reports that it began, and then goes on for longer than any test waits.
    const source = `export default async ({ begun }) => {
      await fetch(begun);
      await new Promise((resolve) => setTimeout(resolve, 600_000));
      return "ran to its end";
    };`;
    await cluster.api.call("PUT", "/v1/functions/lasting", { source });
    await cluster.api.call("PUT", "/v1/functions/brief", {
      source: "export default async ({ begun }) => { await fetch(begun); return 'ran to its end'; };",
    });
  });

  after(async () => {
    await database?.end();
    await cluster?.stop();
    await Promise.all([proxy?.close(), sink?.close()]);
  });

  beforeEach(() => waitForDirectCalls(cluster.api));

  /** Final rows of a run, and open ones. */
  async function rowsOf(runId: string): Promise<{ state: string; isFinal: boolean }[]> {
    const { rows } = await database.query(
      `SELECT state, finished_at <> 'infinity' AS "isFinal" FROM task_runs WHERE id = $1`,
      [runId],
    );
    return rows;
  }

  const readRun = (runId: string) => cluster.api.call<WireRun>("GET", `/v1/runs/${runId}`);

  async function invoke(name: string, begun: string) {
    const response = await fetch(`${cluster.api.url}/v1/functions/${name}/invoke`, {
      method: "POST",
      headers: { authorization: `Bearer ${cluster.api.key}` },
      body: JSON.stringify({ begun: `${sink.url}${begun}` }),
    });
    const body = (await response.json()) as { code?: string };
    return { status: response.status, code: body.code, runId: response.headers.get("bellhop-run-id")! };
  }

  const whenHit = (path: string, count = 1) => sink.waitFor(({ url }) => url === path, { count });

  /** The worker works on nothing: what it ran is over. */
  const whenIdle = () =>
    until(async () => {
      const { items } = await cluster.api.call<{ items: { slots: number; free: number }[] }>(
        "GET",
        "/v1/workers",
      );
      return items.some(({ slots, free }) => slots === free) || undefined;
    });

  async function assertLost({ status, code, runId }: Awaited<ReturnType<typeof invoke>>): Promise<void> {
    assert.deepEqual([status, code], [503, "worker_lost"]);
    assert.deepEqual(await rowsOf(runId), [{ state: "failed", isFinal: true }]);
    assert.equal((await readRun(runId)).error?.code, "worker_lost");
  }

  test("a worker that wakes past its lease and runs its own run again ends it once", async () => {
    const held = Promise.withResolvers<void>();
    sink.reply = async ({ url, headers }) => {
      if (url === "/woken" && headers["bellhop-attempt"] === "1") await held.promise;
      return { body: String(headers["bellhop-attempt"]) };
    };
    const task = await cluster.api.call<{ id: string }>("POST", "/v1/tasks", {
      type: "http",
      url: `${sink.url}/woken`,
      retry: { maxAttempts: 3, backoff: { initial: "100ms" } },
    });
    await whenHit("/woken");
    worker.signal("SIGSTOP");
    const { rows } = await until(async () => {
      const found = await database.query("SELECT id FROM task_runs WHERE task_id = $1 AND state = 'queued'", [
        task.id,
      ]);
      return found.rows.length > 0 ? found : undefined;
    });
    // The first attempt's answer is there when the worker wakes.
    held.resolve();
    worker.signal("SIGCONT");
    const run = await until(async () => {
      const found = await readRun(rows[0].id);
      return found.state === "succeeded" ? found : undefined;
    });
    await whenIdle();
    assert.deepEqual(await rowsOf(run.id), [{ state: "succeeded", isFinal: true }]);
    assert.deepEqual(
      run.attempts.map(({ error }) => error?.code ?? null),
      ["worker_lost", null],
    );
  });

  test("a call whose worker freezes ends as its caller is told, and stops when the worker wakes", async () => {
    const calling = invoke("lasting", "/frozen");
    await whenHit("/frozen");
    worker.signal("SIGSTOP");
    const told = await calling;
    await assertLost(told);
    worker.signal("SIGCONT");
    await whenIdle();
    await assertLost(told);
  });

  test("so does one that ends just as the worker wakes", async () => {
    const held = Promise.withResolvers<void>();
    sink.reply = async ({ url }) => {
      if (url === "/ends") await held.promise;
      return {};
    };
    const calling = invoke("brief", "/ends");
    await whenHit("/ends");
    worker.signal("SIGSTOP");
    const told = await calling;
    held.resolve();
    worker.signal("SIGCONT");
    await whenIdle();
    await assertLost(told);
  });

  test("a call that comes to a frozen worker does not begin when it wakes", async () => {
    worker.signal("SIGSTOP");
    const told = await invoke("brief", "/never");
    await assertLost(told);
    worker.signal("SIGCONT");
    await waitForDirectCalls(cluster.api);
    await whenIdle();
    await assertLost(told);
    assert.deepEqual(
      sink.requests.filter(({ url }) => url === "/never"),
      [],
    );
  });

  test("a call whose worker is cut off from the database ends as its caller is told, and stops", async () => {
    const calling = invoke("lasting", "/cut-off");
    await whenHit("/cut-off");
    proxy.hold();
    const told = await calling;
    await assertLost(told);
    proxy.release();
    await whenIdle();
    await assertLost(told);
  });

  test("no run of all these has two rows", async () => {
    const { rows } = await database.query("SELECT id FROM task_runs GROUP BY id HAVING count(*) > 1");
    assert.deepEqual(rows, []);
  });
});
