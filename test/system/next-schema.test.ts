/** This release's roles on the schema of the next one, which only adds: before they start, and under them. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import pg from "pg";
import { until } from "../../core/store/testing/test-store.ts";
import { createHttpSink } from "../support/http-sink.ts";
import { startProcess } from "../support/processes.ts";
import { type ApiClient, type Cluster, startCluster } from "./cluster.ts";

/** A next release's: it may add columns that are null or filled, tables and indexes, wherever they stand. */
const ADDED = [
  "ALTER TABLE tasks ADD COLUMN zone_next text",
  "ALTER TABLE tasks ADD COLUMN weight_next integer NOT NULL DEFAULT 1",
  "ALTER TABLE task_runs ADD COLUMN lane_next text",
  "ALTER TABLE task_runs ADD COLUMN weight_next integer NOT NULL DEFAULT 1",
  "ALTER TABLE task_logs ADD COLUMN source_next text",
  "ALTER TABLE workers ADD COLUMN zone_next text",
  "ALTER TABLE functions ADD COLUMN zone_next text",
  "ALTER TABLE function_revisions ADD COLUMN zone_next text",
  "ALTER TABLE function_kv ADD COLUMN zone_next text",
  "ALTER TABLE secrets ADD COLUMN zone_next text",
  "ALTER TABLE api_keys ADD COLUMN zone_next text",
  "ALTER TABLE namespaces ADD COLUMN zone_next text",
  "CREATE TABLE errands_next (id uuid PRIMARY KEY, run_id uuid)",
  "CREATE INDEX task_runs_by_lane_next ON task_runs (lane_next) WHERE lane_next IS NOT NULL",
  "INSERT INTO kysely_migration (name, timestamp) VALUES ('9998-add-lanes', '2999-01-01T00:00:00.000Z')",
];

async function change(databaseUrl: string, statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

const SOURCE = `export default async (input, ctx) => {
  ctx.log.info("here", { input });
  await ctx.kv.set("seen", input);
  return { seen: await ctx.kv.get("seen"), attempt: ctx.attempt };
};`;

const sink = await createHttpSink(() => ({ status: 503 }));
after(() => sink.close());

/** Every way a run begins, ends and is read. */
async function useEverything(api: ApiClient, round: string): Promise<void> {
  const name = `next-${round}`;
  await api.call("PUT", `/v1/functions/${name}`, { source: SOURCE });
  assert.deepEqual(await api.call("POST", `/v1/functions/${name}/invoke`, { a: 1 }), {
    seen: { a: 1 },
    attempt: 1,
  });
  const create = (body: object) => api.call<{ id: string }>("POST", "/v1/tasks", body);
  const runOf = (taskId: string, state: string) =>
    until(async () => {
      const { items } = await api.call<{ items: { id: string; state: string }[] }>(
        "GET",
        `/v1/tasks/${taskId}/runs`,
      );
      return items.find((run) => run.state === state);
    });
  const soon = await create({
    ...{ type: "function", function: name, input: { b: 2 } },
    schedule: { delay: "1500ms" },
  });
  const ran = await runOf(soon.id, "succeeded");
  const logs = await api.call<{ items: unknown[] }>("GET", `/v1/runs/${ran.id}/logs`);
  assert.equal(logs.items.length, 1);
  const refused = { type: "http", url: `${sink.url}/refused`, method: "POST" };
  const retry = { maxAttempts: 2, backoff: { initial: "100ms", factor: 1, max: "100ms", jitter: false } };
  const dead = await runOf((await create({ ...refused, retry })).id, "dead");
  await api.call("DELETE", `/v1/dead-letters/${dead.id}`);
  const waiting = await create({ ...refused, schedule: { every: "1h" } });
  await api.call("PATCH", `/v1/tasks/${waiting.id}`, { name: "changed" });
  await api.call("POST", `/v1/tasks/${waiting.id}/pause`);
  await api.call("POST", `/v1/tasks/${waiting.id}/resume`);
  await api.call("POST", `/v1/tasks/${waiting.id}/cancel`);
}

describe("the next release's schema", { timeout: 600_000 }, () => {
  let cluster: Cluster;
  after(() => cluster?.stop());

  it("may come while the roles run", async () => {
    cluster = await startCluster({ schedulers: 1, workers: 1 });
    await useEverything(cluster.api, "before");
    await change(cluster.databaseUrl, ADDED);
    await useEverything(cluster.api, "under");
    const roles = [cluster.apiProcess, ...cluster.schedulers, ...cluster.workers];
    for (const { logs } of roles) {
      const bad = logs.filter(({ level }) => level === "error");
      assert.deepEqual(bad, []);
    }
  });

  it("lets roles of this release start", async () => {
    for (const role of [...cluster.workers, ...cluster.schedulers]) await role.stop();
    const worker = await cluster.startWorker();
    const scheduler = await cluster.startScheduler();
    const other = await cluster.startApi();
    await useEverything(other.client, "after");
    assert.deepEqual(
      [worker, scheduler, other.process].flatMap(({ logs }) => logs.filter(({ level }) => level === "error")),
      [],
    );
  });

  it("keeps them out once it took away what they need, and says so", async () => {
    await change(cluster.databaseUrl, [
      "INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-drop-old-needs-9998', '2999-01-02T00:00:00.000Z')",
    ]);
    for (const file of [
      "api/main.ts",
      "scheduler/main.ts",
      "runtime/main.ts",
      "runtime/autoscaler/main.ts",
    ]) {
      const role = startProcess(file, {
        env: { DATABASE_URL: cluster.databaseUrl, PORT: "0", HOST: "127.0.0.1" },
      });
      assert.deepEqual(await role.exited, { code: 1, signal: null }, file);
      assert.match(
        role.errorLines.at(-1)!,
        /9999-drop-old-needs-9998.*Start a later release, or have that one take its migrations back/,
      );
    }
    await change(cluster.databaseUrl, ["DELETE FROM kysely_migration WHERE name LIKE '9999-%'"]);
  });
});
