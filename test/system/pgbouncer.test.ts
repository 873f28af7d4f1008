/** Every role through a real PgBouncer in transaction mode with a few sessions, with a direct connection and without. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import pg from "pg";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { type PgBouncer, startPgBouncer, testPgBouncer } from "../support/pgbouncer.ts";
import { type Cluster, startCluster, waitForDirectCalls } from "./cluster.ts";
import { assertFiredOnce, describeLateness, eventually, listAllRuns, type WireRun } from "./runs.ts";

const found = await testPgBouncer();
const skip = "skip" in found ? found.skip : false;
const POOL_SIZE = 5;

/** The settings of sessions, as the guide says them. */
async function giveSettings(databaseUrl: string): Promise<void> {
  const guide = await readFile(join(import.meta.dirname, "..", "..", "docs", "operations.md"), "utf8");
  const statements = guide.match(/^ALTER ROLE bellhop IN DATABASE bellhop SET .*;$/gm)!;
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const name = new URL(databaseUrl).pathname.slice(1);
  for (const statement of statements)
    await client.query(statement.replace("bellhop IN DATABASE bellhop", `CURRENT_USER IN DATABASE ${name}`));
  await client.end();
}

for (const { way, hasDirect } of [
  { way: "bells are polled, and its sessions are as they come", hasDirect: false },
  { way: "bells are heard on a direct connection, and its sessions have our settings", hasDirect: true },
]) {
  describe(`through PgBouncer in transaction mode; ${way}`, { skip }, () => {
    let cluster: Cluster;
    let sink: HttpSink;
    let bouncer: PgBouncer;

    before(async () => {
      if ("skip" in found) return;
      const { tool } = found;
      sink = await createHttpSink();
      cluster = await startCluster({
        ...{ schedulers: 2, workers: 1 },
        async reachDatabase(databaseUrl) {
          if (hasDirect) await giveSettings(databaseUrl);
          const settings = tool.version < 1.21 ? {} : { max_prepared_statements: 100 };
          const options = { databaseUrl, mode: "transaction", poolSize: POOL_SIZE, settings } as const;
          bouncer = await startPgBouncer(tool, options);
          return { DATABASE_URL: bouncer.url, ...(hasDirect ? { DATABASE_DIRECT_URL: databaseUrl } : {}) };
        },
      });
      // Its workers are through the pooler as well: a second one comes when there is much to do.
      await cluster.startAutoscaler({ WORKERS_MIN: "2", WORKERS_MAX: "2" });
    });
    after(async () => {
      await cluster?.stop();
      await sink?.close();
    });

    const deploy = (name: string, source: string, limits: object = {}) =>
      cluster.api.call("PUT", `/v1/functions/${name}`, { source, public: true, limits });
    const schedule = async (task: object) =>
      (await cluster.api.call<{ id: string }>("POST", "/v1/tasks", task)).id;
    const runsOf = (taskId: string) => listAllRuns(cluster.api, `/v1/tasks/${taskId}/runs`);
    const areDone = (runs: WireRun[]) => runs.length > 0 && runs.every(({ state }) => state === "succeeded");

    it("each role says how it reaches the database", async () => {
      const bells = hasDirect ? "heard on the direct connection" : "polled";
      for (const role of [cluster.apiProcess, ...cluster.schedulers, ...cluster.workers]) {
        const said = role.logs.filter(({ msg }) => /pooler in transaction mode/.test(String(msg)));
        assert.deepEqual(
          said.map((line) => line["bells"]),
          [bells],
        );
        const warned = role.logs.some(({ msg }) => /lack settings/.test(String(msg)));
        assert.equal(warned, !hasDirect);
      }
    });

    it("the autoscaler's workers come up", async () => {
      await eventually(
        "the worker that runs, and the autoscaler's",
        async () => await cluster.api.call<{ items: unknown[] }>("GET", "/v1/workers"),
        ({ items }) => items.length >= 2,
      );
    });

    it("tasks fire once, at their instants: now, later, by cron", async (t) => {
      const url = `${sink.url}/hit`;
      const soon = new Date(Date.now() + 3_000).toISOString();
      const [now, once, cron] = await Promise.all([
        schedule({ type: "http", url }),
        schedule({ type: "http", url, schedule: { at: soon } }),
        schedule({ type: "http", url, schedule: { cron: "* * * * * *", timezone: "Europe/Rome" } }),
      ]);
      await eventually(
        "three by cron",
        () => runsOf(cron),
        (runs) => runs.filter(({ state }) => state === "succeeded").length >= 3,
      );
      await cluster.api.call("POST", `/v1/tasks/${cron}/cancel`);
      await eventually("the run of now", () => runsOf(now), areDone);
      const onTime = await eventually("the run of later", () => runsOf(once), areDone);
      assertFiredOnce([...onTime, ...(await runsOf(cron)).filter(({ startedAt }) => startedAt !== null)]);
      t.diagnostic(describeLateness(onTime));
    });

    it("a function with a limit never has more runs at once, and all of them end", async () => {
      let [running, most] = [0, 0];
      sink.reply = async ({ url }) => {
        if (url !== "/limited") return {};
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 50));
        running -= 1;
        return {};
      };
      const source = `export default async () => { await fetch("${sink.url}/limited"); }`;
      await deploy("limited", source, { concurrency: 2 });
      const tasks = await Promise.all(
        Array.from({ length: 8 }, () => schedule({ type: "function", function: "limited" })),
      );
      for (const task of tasks) await eventually("a run of it", () => runsOf(task), areDone);
      assert.ok(most <= 2, `${most} at once`);
    });

    it("a run that goes on is cancelled", async () => {
      await deploy("endless", "export default () => new Promise((resolve) => setTimeout(resolve, 60_000));");
      const task = await schedule({ type: "function", function: "endless" });
      const [run] = await eventually(
        "it runs",
        () => runsOf(task),
        ([first]) => first?.state === "running",
      );
      await cluster.api.call("POST", `/v1/runs/${run!.id}/cancel`);
      await eventually(
        "it is cancelled",
        () => runsOf(task),
        ([first]) => first?.state === "cancelled",
      );
    });

    it("calls are answered, straight from a worker and through the queue, and remember", async () => {
      const source = `export default { async fetch(_request, _env, { kv }) {
        for (;;) {
          const entry = await kv.getEntry("count");
          const next = (entry?.value ?? 0) + 1;
          if ((await kv.set("count", next, { ifVersion: entry?.version ?? null })).ok) return new Response(String(next));
        }
      } };`;
      await deploy("counter", source);
      await waitForDirectCalls(cluster.api);
      const count = async (headers: Record<string, string> = {}) =>
        Number(await (await fetch(`${cluster.api.url}/fn/default/counter`, { headers })).text());
      const counts = await Promise.all(Array.from({ length: 20 }, () => count()));
      assert.deepEqual(
        counts.toSorted((a, b) => a - b),
        Array.from({ length: 20 }, (_, n) => n + 1),
      );
      assert.equal(await count({ "idempotency-key": "queued" }), 21);
    });

    it("a log is followed as it is written", async () => {
      await deploy("chatter", "export default ({ n }, ctx) => { ctx.log.info('said', { n }); };");
      const leave = new AbortController();
      const response = await fetch(`${cluster.api.url}/v1/functions/chatter/logs?follow=true`, {
        headers: { authorization: `Bearer ${cluster.api.key}`, accept: "application/x-ndjson" },
        signal: leave.signal,
      });
      for (const n of [1, 2, 3]) await schedule({ type: "function", function: "chatter", input: { n } });
      let text = "";
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
        text += part;
        if (text.split('"said"').length > 3) break;
      }
      leave.abort();
      assert.deepEqual([...text.matchAll(/"n":(\d)/g)].map(([, n]) => n).toSorted(), ["1", "2", "3"]);
    });

    it("a pooler that is killed and comes back delays, and every run ends once", async (t) => {
      const firstMs = Date.now() + 2_000;
      const tasks = await Promise.all(
        Array.from({ length: 100 }, (_, n) =>
          schedule({
            ...{ type: "http", url: `${sink.url}/spread` },
            schedule: { at: new Date(firstMs + n * 30).toISOString() },
          }),
        ),
      );
      const hits = () => sink.requests.filter(({ url }) => url === "/spread");
      await sink.waitFor(({ url }) => url === "/spread", { count: 30 });
      await bouncer.kill();
      await bouncer.start();
      const ours = new Set(tasks);
      const runs = await eventually(
        "all of them",
        async () => (await listAllRuns(cluster.api, "/v1/runs")).filter(({ taskId }) => ours.has(taskId)),
        (found) => found.filter(({ state }) => state === "succeeded").length >= tasks.length,
      );
      assert.equal(runs.length, tasks.length);
      assertFiredOnce(runs);
      const ids = hits().map(({ headers }) => headers["bellhop-run-id"]);
      assert.deepEqual(new Set(ids), new Set(runs.map(({ id }) => id)));
      t.diagnostic(describeLateness(runs));
    });
  });
}
