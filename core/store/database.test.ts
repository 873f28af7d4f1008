import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { openStore } from "./database.ts";
import { PLAN_KEPT_MS } from "./session-settings.ts";

const database = await createTestDatabase();
after(() => database.drop());

function open() {
  const errors: Error[] = [];
  const settings = { databaseUrl: database.url, applicationName: "test", maxConnections: 2 };
  return { errors, store: openStore({ ...settings, onError: (error) => errors.push(error) }) };
}

test("a connection that breaks while it is lent out is reported, and ends nothing else", async () => {
  const { store, errors } = open();
  const lent = await store.pool.connect();
  const broken = new Promise<void>((resolve) => lent.once("end", resolve));
  const { rows } = await lent.query("SELECT pg_backend_pid() AS pid");
  await store.pool.query("SELECT pg_terminate_backend($1)", [rows[0].pid]);
  await broken;
  assert.ok(errors.length > 0, "the error went past us: it would have ended the process");
  await assert.rejects(() => lent.query("SELECT 1"));
  lent.release(true);
  assert.equal((await store.pool.query("SELECT 1 AS one")).rows[0].one, 1);
  await store.close();
});

test("a store that is closed closes its pool, whatever was sent there", async () => {
  const { store } = open();
  await store.pool.query("SELECT");
  await store.close();
  assert.deepEqual([store.pool.ended, store.pool.totalCount], [true, 0]);
});

test("a connection whose statement was refused for what it holds is kept, another's is not", async () => {
  const { store } = open();
  const pool = store.plannedPool;
  const findPid = async () => (await pool.query("SELECT pg_backend_pid() AS pid")).rows[0].pid;
  const pid = await findPid();
  const refused = { name: "refused", text: "SELECT $1::jsonb AS value" };
  for (const value of ['{"a":1e999999}', '"\\u0000"', "{"]) {
    await assert.rejects(() => pool.query({ ...refused, values: [value] }), /numeric|Unicode|json/);
    assert.equal(await findPid(), pid);
    assert.deepEqual((await pool.query({ ...refused, values: ["[1]"] })).rows, [{ value: [1] }]);
  }
  await assert.rejects(() => pool.query("SELECT nowhere"), { code: "42703" });
  assert.notEqual(await findPid(), pid);
  await store.close();
});

test("a session frozen inside a transaction is ended by the server", async () => {
  const { store } = open();
  const { rows } = await store.pool.query("SHOW idle_in_transaction_session_timeout");
  assert.equal(rows[0].idle_in_transaction_session_timeout, "5s");
  await store.close();
});

test("the server finds within half a minute that a client's machine is gone", async () => {
  const { store } = open();
  const shown = async (name: string) => Number((await store.pool.query(`SHOW ${name}`)).rows[0][name]);
  const [idle, interval, count] = await Promise.all([
    shown("tcp_keepalives_idle"),
    shown("tcp_keepalives_interval"),
    shown("tcp_keepalives_count"),
  ]);
  const seconds = idle! + interval! * count!;
  assert.ok(idle! > 0 && seconds <= 30, `${seconds} s`);
  await store.close();
});

test("what happens to every run is planned once for its connection; other statements for what the tables hold", async () => {
  const { store } = open();
  const planner = async (pool: typeof store.pool) =>
    (await pool.query("SHOW plan_cache_mode")).rows[0].plan_cache_mode;
  assert.equal(await planner(store.pool), "force_custom_plan");
  assert.equal(await planner(store.plannedPool), "force_generic_plan");
  await store.close();
  await assert.rejects(() => store.plannedPool.query("SELECT 1"));
});

test("a connection keeps its plans for a while and no longer, however it is asked for", async (t) => {
  let now = 1_000;
  t.mock.method(performance, "now", () => now);
  const { store } = open();
  const asked: string[] = [];
  store.plannedPool.on("connect", (client) => {
    const query = client.query.bind(client) as (...given: unknown[]) => unknown;
    t.mock.method(client, "query", (...given: unknown[]) => {
      asked.push(String(given[0]));
      return query(...given);
    });
  });
  const ask = async () => await store.plannedPool.query("SELECT 1");
  const lend = async () => (await store.plannedPool.connect()).release();
  try {
    await ask();
    now += PLAN_KEPT_MS - 1;
    await Promise.all([ask(), lend()]);
    assert.deepEqual(new Set(asked), new Set(["SELECT 1"]));
    for (const use of [ask, lend]) {
      now += PLAN_KEPT_MS;
      asked.length = 0;
      await use();
      assert.equal(asked[0], "DISCARD PLANS");
      await use();
      assert.equal(asked.filter((text) => text === "DISCARD PLANS").length, 1);
    }
  } finally {
    await store.close();
  }
});
