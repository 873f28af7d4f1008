/** Many who follow one log: what is left for everybody else. */
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, it } from "node:test";
import pg from "pg";
import { until, untilBlocked } from "../../core/store/testing/test-store.ts";
import { type Cluster, startCluster } from "./cluster.ts";

const MAX_OF_KEY = 100;

describe("a hundred followers of one function", () => {
  let cluster: Cluster;
  let database: pg.Pool;
  const followers: http.ClientRequest[] = [];

  before(async () => {
    cluster = await startCluster({ schedulers: 0, workers: 0 });
    await cluster.api.call("PUT", "/v1/functions/chatter", { source: "export default () => 1;" });
    database = new pg.Pool({ connectionString: cluster.databaseUrl });
    for (const { statusCode } of await Promise.all(Array.from({ length: MAX_OF_KEY }, follow)))
      assert.equal(statusCode, 200);
  });
  after(async () => {
    for (const follower of followers) follower.destroy();
    await database?.end();
    await cluster?.stop();
  });

  function follow(): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = http.get(`${cluster.api.url}/v1/functions/chatter/logs?follow=true`, {
        headers: { authorization: `Bearer ${cluster.api.key}` },
        agent: false,
      });
      request.on("response", resolve).on("error", reject);
      followers.push(request);
    });
  }

  it("are all that a key may have; the next is told so, and when to try again", async () => {
    const response = await fetch(`${cluster.api.url}/v1/functions/chatter/logs?follow=true`, {
      headers: { authorization: `Bearer ${cluster.api.key}` },
    });
    assert.equal(response.status, 429);
    assert.equal(response.headers.get("retry-after"), "10");
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.equal(((await response.json()) as { code: string }).code, "too_many_followers");
    const page = await cluster.api.call<{ items: unknown[] }>("GET", "/v1/functions/chatter/logs");
    assert.deepEqual(page.items, []);
  });

  it("make room when one leaves, and a HEAD takes none", async () => {
    const [first] = followers.splice(0, 1);
    first!.on("error", () => {}).destroy();
    for (let time = 0; time < 3; time += 1) {
      const head = await fetch(`${cluster.api.url}/v1/functions/chatter/logs?follow=true`, {
        method: "HEAD",
        headers: { authorization: `Bearer ${cluster.api.key}` },
      });
      assert.equal(head.status, 200);
    }
    await until(async () => {
      const response = await follow();
      response.resume();
      return response.statusCode === 200 || undefined;
    });
    assert.equal((await follow()).statusCode, 429);
  });

  it("leave the other requests their connections, also when no line can be read", async () => {
    const locker = await database.connect();
    try {
      await locker.query("BEGIN; LOCK TABLE task_logs");
      await untilBlocked({ pool: database });
      for (let time = 0; time < 20; time += 1) await cluster.api.call("GET", "/v1/tasks");
      await locker.query("COMMIT");
    } finally {
      locker.release(true);
    }
  });

  it("all hear a line, over a few connections to the database", async () => {
    const heard = followers.flatMap((follower) => {
      const { res } = follower as unknown as { res: http.IncomingMessage };
      return res.statusCode === 200 ? [hear(res, '"message":"for all"')] : [];
    });
    await database.query(
      `INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, level, message)
       SELECT clock_timestamp(), namespace_id, id, 1, id, 'info', 'for all' FROM functions`,
    );
    await Promise.all(heard);
    assert.equal(heard.length, MAX_OF_KEY);
    const { rows } = await database.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'bellhop-api-followers'`,
    );
    assert.ok(rows[0]!.count <= 4, `${rows[0]!.count} connections`);
  });
});

function hear(response: http.IncomingMessage, wanted: string): Promise<void> {
  return new Promise((resolve) => {
    let text = "";
    response.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes(wanted)) resolve();
    });
  });
}
