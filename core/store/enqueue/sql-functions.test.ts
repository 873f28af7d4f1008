import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, describe, test } from "node:test";
import pg from "pg";
import { createTestDatabase } from "../../../test/support/database.ts";
import { taskInput } from "../../contracts/task-input.ts";
import type { Json } from "../../json.ts";
import { DEFAULT_NAMESPACE, ensureNamespace } from "../keys.ts";
import { openTestStore } from "../testing/test-store.ts";
import { CLIENT_ROLE, installSqlFunctions } from "./sql-functions.ts";
import { describeEnqueue } from "./task-contract.ts";

const { store, url, newNamespace } = await openTestStore(createTestDatabase);
const contract = describeEnqueue();
const defaultId = await ensureNamespace(store.db, DEFAULT_NAMESPACE);
const HTTP = { type: "http", url: "https://example.com/hook" };

assert.equal(await installSqlFunctions(store, contract), "installed");

/** Logs in as an application that was given the role. */
async function openApplication(): Promise<{ role: string; client: pg.Client }> {
  const role = `app_${randomBytes(6).toString("hex")}`;
  await store.pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'app' IN ROLE ${CLIENT_ROLE}`);
  const address = new URL(url);
  address.username = role;
  address.password = "app";
  const client = new pg.Client(address.href);
  await client.connect();
  after(async () => {
    await client.end();
    await store.pool.query(`DROP ROLE ${role}`);
  });
  return { role, client };
}

async function findFault(task: unknown): Promise<string | null> {
  const { rows } = await store.pool.query<{ fault: string | null }>(
    "SELECT bellhop.find_fault(task_schema, $1::jsonb, '') AS fault FROM enqueue_contract",
    [JSON.stringify(task)],
  );
  return rows[0]!.fault;
}

const waiting = async () =>
  (await store.pool.query("SELECT task_id, action FROM enqueued_tasks ORDER BY seq")).rows;

const ACCEPTED: Json[] = [
  HTTP,
  {
    ...HTTP,
    method: "POST",
    headers: { "X-Token": "ä" },
    body: { deep: [{ er: null }] },
    expectStatus: [200],
  },
  { ...HTTP, key: "billing:nightly", name: "🦊", labels: { "app.kubernetes.io/name": "billing" } },
  { ...HTTP, schedule: { every: "10s" } },
  { ...HTTP, schedule: { cron: "*/5 * * * *", timezone: "Europe/Rome" } },
  { ...HTTP, schedule: "*/5 * * * *" },
  { ...HTTP, schedule: { delay: "PT1H30M" } },
  { ...HTTP, schedule: { at: "2026-12-01T09:00:00+01:00" } },
  { ...HTTP, retry: { maxAttempts: 3, backoff: { kind: "list", waits: ["1m", "5m"] }, on: [503, "5xx"] } },
  { ...HTTP, ttl: null, deadline: "1h", pauseAfterFailures: 5, timeout: "1.5s" },
  { ...HTTP, on: { failure: [{ type: "email", to: "ada@example.com" }], always: [{ task: "billing" }] } },
  { type: "email", to: ["ada@example.com"], subject: "Hello", body: "…" },
  { type: "function", function: "greet", input: [1, "two", null] },
];

const REFUSED: [Json, RegExp][] = [
  [[], /^the task: is not of a known form$/],
  [{ type: "fax" }, /^the task: is not of a known form$/],
  [{ type: "http" }, /^url: is needed$/],
  [{ ...HTTP, url: 7 }, /^url: must be string$/],
  [{ ...HTTP, colour: "red" }, /^colour: unknown field$/],
  [{ ...HTTP, name: "" }, /^name: must have at least 1 characters$/],
  [{ ...HTTP, name: "x".repeat(201) }, /^name: must have at most 200 characters$/],
  [{ ...HTTP, retry: { maxAttempts: 0 } }, /^retry\.maxAttempts: must be at least 1$/],
  [{ ...HTTP, retry: { maxAttempts: 1.5 } }, /^retry\.maxAttempts: must be integer$/],
  [
    { ...HTTP, retry: { backoff: { kind: "list", waits: [] } } },
    /^retry\.backoff\.waits: must have at least 1$/,
  ],
  [{ ...HTTP, timeout: "soon" }, /^timeout: does not look right: A duration/],
  [{ ...HTTP, expectStatus: [200, 99] }, /^expectStatus\.1: must be at least 100$/],
  [{ ...HTTP, labels: { "-app": "c" } }, /^labels\.-app: does not look right/],
  [{ ...HTTP, labels: { app: 1 } }, /^labels\.app: must be string$/],
  [{ ...HTTP, schedule: { every: "1h", colour: 1 } }, /^schedule\.colour: unknown field$/],
  [{ ...HTTP, on: { failure: [{ type: "http" }] } }, /^on\.failure\.0\.url: is needed$/],
];

describe("what is held against the API's own schema", () => {
  const schema = taskInput(() => new Date("2026-01-01T00:00:00Z"));
  for (const task of ACCEPTED)
    test(`accepted, as by the API: ${JSON.stringify(task)}`, async () => {
      assert.ok(schema.safeParse(task).success);
      assert.equal(await findFault(task), null);
    });
  for (const [task, fault] of REFUSED)
    test(`refused, as by the API: ${JSON.stringify(task).slice(0, 200)}`, async () => {
      assert.ok(!schema.safeParse(task).success);
      assert.match((await findFault(task)) ?? "accepted", fault);
    });
});

test("an application's task is there when its transaction is, and rings; what it rolls back was never there", async () => {
  const { role, client } = await openApplication();
  await store.pool.query("DELETE FROM enqueued_tasks");
  const rung: string[] = [];
  const listener = await store.pool.connect();
  listener.on("notification", ({ channel }) => rung.push(channel));
  await listener.query("LISTEN bellhop_enqueued");
  const text = '{"type":"http", "url":"https://example.com/hook","body":{"n": 1.0}}';

  await client.query("BEGIN");
  await client.query("SELECT bellhop.enqueue($1)", [text]);
  await client.query("ROLLBACK");
  await client.query("BEGIN");
  const { rows } = await client.query<{ id: string }>("SELECT bellhop.enqueue($1) AS id", [text]);
  assert.deepEqual(await waiting(), []);
  await client.query("COMMIT");

  const { rows: kept } = await store.pool.query("SELECT *, task::text AS text FROM enqueued_tasks");
  assert.equal(kept.length, 1);
  assert.deepEqual(
    [kept[0].task_id, kept[0].namespace_id, kept[0].text, kept[0].enqueued_by],
    [rows[0]!.id, defaultId, text, role],
  );
  assert.match(rows[0]!.id, /^0[0-9a-f]{7}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]/, "a UUIDv7");
  await listener.query("SELECT 1");
  assert.deepEqual(rung, ["bellhop_enqueued"]);
  listener.release(true);
});

test("a task that is refused raises, and takes the transaction with it", async () => {
  const { client } = await openApplication();
  await client.query("BEGIN");
  await assert.rejects(
    client.query("SELECT bellhop.enqueue($1)", [JSON.stringify({ ...HTTP, colour: "red" })]),
    /colour: unknown field/,
  );
  await assert.rejects(client.query("SELECT 1"), /current transaction is aborted/);
  await client.query("ROLLBACK");
  await assert.rejects(
    client.query("SELECT bellhop.enqueue(NULL)"),
    /a task is JSON of at most 2000000 bytes/,
  );
  const large = JSON.stringify({ ...HTTP, body: "x".repeat(2_000_000) });
  await assert.rejects(client.query("SELECT bellhop.enqueue($1)", [large]), /at most 2000000 bytes/);
});

test("the role may call the two functions, and nothing else", async () => {
  const { client } = await openApplication();
  for (const statement of [
    "SELECT * FROM tasks",
    "SELECT * FROM enqueued_tasks",
    "SELECT * FROM enqueue_contract",
    "INSERT INTO enqueue_roles (role, namespace_id) VALUES ('x', gen_random_uuid())",
    "SELECT bellhop.find_namespace('default')",
    "SELECT bellhop.find_fault('{}', '{}', '')",
    "CREATE FUNCTION bellhop.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
  ])
    await assert.rejects(client.query(statement), /permission denied/, statement);
});

test("a function of an application's own is not called with the rights of the tables' owner", async () => {
  const { role, client } = await openApplication();
  const { rows } = await store.pool.query<{ tables: string }>("SELECT current_schema() AS tables");
  const { tables } = rows[0]!;
  await store.pool.query(`GRANT USAGE, CREATE ON SCHEMA ${tables} TO ${role}`);
  // PostgreSQL's own takes a bigint, so that this one fits the call better.
  await client.query(`CREATE FUNCTION ${tables}.set_bit(bytea, int, int) RETURNS bytea LANGUAGE plpgsql AS $f$ BEGIN
    RAISE EXCEPTION 'called as %', current_user; END $f$`);
  try {
    await client.query("SELECT bellhop.enqueue($1)", [JSON.stringify(HTTP)]);
  } finally {
    await client.query(`DROP FUNCTION ${tables}.set_bit(bytea, int, int)`);
    await store.pool.query(`REVOKE ALL ON SCHEMA ${tables} FROM ${role}`);
  }
});

test("an application uses the namespace default, or those that it was given, and no other", async () => {
  const { role, client } = await openApplication();
  const name = "billing-of-one-app";
  const id = await ensureNamespace(store.db, name);
  const enqueue = (namespace: string) =>
    client.query("SELECT bellhop.enqueue($1, $2)", [JSON.stringify(HTTP), namespace]);
  await enqueue("default");
  await assert.rejects(enqueue(name), /may not use the namespace/);
  await assert.rejects(enqueue("no-such"), /may not use the namespace/);
  await store.pool.query("INSERT INTO enqueue_roles (role, namespace_id) VALUES ($1, $2)", [role, id]);
  await enqueue(name);
  await assert.rejects(enqueue("default"), /may not use the namespace/);
});

test("a cancel takes back what nobody has made yet, in its own transaction; of others' it knows nothing", async () => {
  const { client } = await openApplication();
  await store.pool.query("DELETE FROM enqueued_tasks");
  const enqueue = async (task: object) =>
    (await client.query<{ id: string }>("SELECT bellhop.enqueue($1) AS id", [JSON.stringify(task)])).rows[0]!
      .id;
  const cancel = async (task: string) =>
    (await client.query<{ found: boolean }>("SELECT bellhop.cancel($1) AS found", [task])).rows[0]!.found;
  const id = await enqueue(HTTP);
  await enqueue({ ...HTTP, key: "reminder-7" });
  assert.equal(await cancel(id), true);
  assert.equal(await cancel("reminder-7"), true);
  assert.deepEqual(await waiting(), []);
  assert.equal(await cancel(id), false);
  await newNamespace();
});

test("an earlier release keeps its hands off, and this one's are put there once", async () => {
  assert.equal(await installSqlFunctions(store, contract), "kept");
  assert.equal(await installSqlFunctions(store, { ...contract, release: "0001-initial" }), "kept");
  const changed = { ...contract, taskSchema: { ...contract.taskSchema, title: "Task" } };
  assert.equal(await installSqlFunctions(store, changed), "installed");
  assert.equal(await installSqlFunctions(store, contract), "installed");
});

test("functions that a restored database has lost are put there again", async () => {
  await store.pool.query("DROP SCHEMA bellhop CASCADE");
  assert.equal(await installSqlFunctions(store, contract), "installed");
  assert.equal(await findFault(HTTP), null);
});

test("whoever may make no schema has no functions, and starts all the same", async () => {
  const bare = await openTestStore(createTestDatabase);
  const role = `owner_${randomBytes(6).toString("hex")}`;
  const { rows } = await bare.store.pool.query<{ name: string }>("SELECT current_database() AS name");
  await bare.store.pool.query(`REVOKE CREATE ON DATABASE ${rows[0]!.name} FROM PUBLIC`);
  await bare.store.pool.query(`CREATE ROLE ${role}`);
  await bare.store.pool.query(`GRANT ${role} TO CURRENT_USER`);
  await bare.store.pool.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
  const client = await bare.store.pool.connect();
  await client.query(`SET ROLE ${role}`);
  // It comes back, and is closed, with the transaction that fails.
  const asRole = { ...bare.store, pool: { connect: async () => client } as unknown as pg.Pool };
  assert.equal(await installSqlFunctions(asRole, contract), "forbidden");
  await bare.store.pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});
