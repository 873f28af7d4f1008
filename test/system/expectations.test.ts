/** What is late is told, through real roles: a run that takes too long, and a task that nobody stages. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import pg from "pg";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { type Cluster, readSample, startCluster } from "./cluster.ts";
import { eventually, type WireRun } from "./runs.ts";

type LateRun = WireRun & { expectation?: string };

describe("what is late is told", () => {
  const held = Promise.withResolvers<{ status: number }>();
  let sink: HttpSink;
  let cluster: Cluster;
  let database: pg.Client;

  before(async () => {
    sink = await createHttpSink();
    sink.reply = ({ url }) => (url === "/hold" ? held.promise : { status: 200 });
    cluster = await startCluster({ schedulers: 2, workers: 1 });
    database = new pg.Client({ connectionString: cluster.databaseUrl });
    await database.connect();
  });
  after(async () => {
    held.resolve({ status: 200 });
    await database?.end();
    await cluster?.stop();
    await sink?.close();
  });

  const lateAt = (path: string) => ({
    expect: { within: "1s" },
    on: { late: [{ type: "http", url: `${sink.url}${path}` }] },
  });

  interface Told {
    type: string;
    data: { id?: string; taskId: string; expectation?: string };
  }
  const toldAt = async (path: string): Promise<Told> =>
    JSON.parse((await sink.waitFor(({ url }) => url === path))[0]!.body);
  const tellings = (path: string) => sink.requests.filter(({ url }) => url === path).length;

  const findRuns = (taskId: string) =>
    cluster.api.call<{ items: LateRun[] }>("GET", `/v1/tasks/${taskId}/runs`).then(({ items }) => items);

  /** Every run that there is has been judged: none is watched any more. */
  const settled = () =>
    eventually(
      "all runs are judged",
      async () => (await database.query("SELECT FROM expectations WHERE look_at IS NOT NULL")).rowCount,
      (count) => count === 0,
    );

  async function killSchedulers(): Promise<void> {
    for (const scheduler of cluster.schedulers) scheduler.signal("SIGKILL");
    await Promise.all(cluster.schedulers.map(({ exited }) => exited));
    cluster.schedulers.length = 0;
  }

  it("a function that is too slow is told of once, by two schedulers, and its run stays marked", async () => {
    const source = `export default async () => (await fetch("${sink.url}/hold")).status;`;
    await cluster.api.call("PUT", "/v1/functions/slow", { source });
    const { runId } = await cluster.api.call<{ runId: string }>("POST", "/v1/tasks", {
      ...{ type: "function", function: "slow", timeout: "10m", ...lateAt("/slow") },
    });
    const { type, data } = await toldAt("/slow");
    assert.deepEqual([type, data.id, data.expectation], ["bellhop.run.late", runId, "missed"]);
    // A busy machine may tell of it before it has begun.
    await sink.waitFor(({ url }) => url === "/hold");
    const show = () => cluster.api.call<LateRun>("GET", `/v1/runs/${runId}`);
    assert.equal((await show()).state, "running");
    held.resolve({ status: 200 });
    const ended = await eventually("it succeeds", show, ({ state }) => state === "succeeded");
    assert.equal(ended.expectation, "missed");
    await settled();
    const counted = await Promise.all(
      cluster.schedulers.map((role) =>
        readSample(role, 'bellhop_expectations_missed_total{cause="run",role="scheduler"}'),
      ),
    );
    assert.deepEqual([counted.reduce((sum, each) => sum + each), tellings("/slow")], [1, 1]);
  });

  it("a task whose schedulers were down is told of when they are back", async () => {
    await killSchedulers();
    const task = { type: "http", url: `${sink.url}/work`, schedule: { delay: "100ms" }, ...lateAt("/down") };
    const { id } = await cluster.api.call<{ id: string }>("POST", "/v1/tasks", task);
    await eventually(
      "it is late",
      () =>
        database.query("SELECT FROM tasks WHERE id = $1 AND next_run_at < now() - interval '1500 ms'", [id]),
      ({ rowCount }) => rowCount === 1,
    );
    await Promise.all([cluster.startScheduler(), cluster.startScheduler()]);
    const { data } = await toldAt("/down");
    assert.equal(data.taskId, id);
    const [run] = await eventually(
      "its run is marked",
      () => findRuns(id),
      ([first]) => first?.expectation === "missed",
    );
    assert.equal(run!.taskId, id);
    await settled();
    assert.equal(tellings("/down"), 1);
  });

  it("a task is told of while staging fails, and once", async () => {
    await database.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$`,
    );
    await database.query(`CREATE TRIGGER refuse BEFORE INSERT ON task_runs_open FOR EACH ROW
    WHEN (NEW.trigger = 'schedule') EXECUTE FUNCTION refuse()`);
    const task = {
      type: "http",
      url: `${sink.url}/work`,
      schedule: { delay: "100ms" },
      ...lateAt("/unfired"),
    };
    const { id } = await cluster.api.call<{ id: string }>("POST", "/v1/tasks", task);
    const { type, data } = await toldAt("/unfired");
    assert.deepEqual([type, data.taskId, await findRuns(id)], ["bellhop.task.late", id, []]);
    await database.query("DROP FUNCTION refuse() CASCADE");
    const [run] = await eventually(
      "its run is made, and marked",
      () => findRuns(id),
      ([first]) => first?.expectation === "missed",
    );
    assert.equal(run!.taskId, id);
    await settled();
    assert.equal(tellings("/unfired"), 1);
  });
});
