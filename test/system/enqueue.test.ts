/** An application's order and its reminder in one transaction of its own database, through real roles. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import pg from "pg";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { eventually, type WireRun } from "./runs.ts";

describe("bellhop.enqueue", () => {
  const role = `shop_${randomBytes(4).toString("hex")}`;
  let cluster: Cluster;
  let sink: HttpSink;
  let owner: pg.Client;
  let shop: pg.Client;

  before(async () => {
    sink = await createHttpSink();
    cluster = await startCluster({ schedulers: 1, workers: 1 });
    owner = new pg.Client(cluster.databaseUrl);
    await owner.connect();
    await owner.query("CREATE TABLE orders (id int PRIMARY KEY)");
    await owner.query(`CREATE ROLE ${role} LOGIN PASSWORD 'shop' IN ROLE bellhop_client`);
    await owner.query(`GRANT INSERT ON orders TO ${role}`);
    const address = new URL(cluster.databaseUrl);
    address.username = role;
    address.password = "shop";
    shop = new pg.Client(address.href);
    await shop.connect();
  });
  after(async () => {
    await shop?.end();
    await owner?.query(`REVOKE ALL ON orders FROM ${role}; DROP ROLE ${role}`);
    await owner?.end();
    await cluster?.stop();
    await sink?.close();
  });

  async function order(id: number, task: object, end: "COMMIT" | "ROLLBACK"): Promise<string> {
    await shop.query("BEGIN");
    await shop.query("INSERT INTO orders VALUES ($1)", [id]);
    const { rows } = await shop.query<{ id: string }>("SELECT bellhop.enqueue($1) AS id", [
      JSON.stringify(task),
    ]);
    await shop.query(end);
    return rows[0]!.id;
  }

  it("fires what was committed with its order, within the usual lateness, and nothing of what was rolled back", async () => {
    const remind = (path: string) => ({ type: "http", url: `${sink.url}${path}`, schedule: { delay: "1s" } });
    await order(1, remind("/rolled-back"), "ROLLBACK");
    const id = await order(1, remind("/committed"), "COMMIT");
    await sink.waitFor(({ url }) => url === "/committed");
    const run = await eventually(
      "its run",
      async () => (await cluster.api.call<{ items: WireRun[] }>("GET", `/v1/runs?taskId=${id}`)).items[0],
      (found) => found?.finishedAt != null,
    );
    assert.equal(run!.state, "succeeded");
    assert.deepEqual(
      sink.requests.map(({ url }) => url),
      ["/committed"],
    );
  });

  it("takes back what was committed before", async () => {
    const id = await order(2, { type: "http", url: `${sink.url}/late`, schedule: { delay: "1h" } }, "COMMIT");
    const stateOf = () => cluster.api.call<{ state: string }>("GET", `/v1/tasks/${id}`);
    await eventually(
      "the task",
      () => stateOf().catch(() => undefined),
      (task) => task?.state === "active",
    );
    await shop.query("SELECT bellhop.cancel($1)", [id]);
    await eventually("its end", stateOf, ({ state }) => state === "cancelled");
  });
});
