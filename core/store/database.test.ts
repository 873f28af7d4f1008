import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { openStore } from "./database.ts";

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

test("an insert is planned once for its connection; other statements for what the tables hold", async () => {
  const { store } = open();
  const planner = async (pool: typeof store.pool) =>
    (await pool.query("SHOW plan_cache_mode")).rows[0].plan_cache_mode;
  assert.equal(await planner(store.pool), "force_custom_plan");
  assert.equal(await planner(store.insertPool), "force_generic_plan");
  await store.close();
  await assert.rejects(() => store.insertPool.query("SELECT 1"));
});
