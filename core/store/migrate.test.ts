import assert from "node:assert/strict";
import { after, test } from "node:test";
import { sql } from "kysely";
import { createEmptyDatabase } from "../../test/support/database.ts";
import { openStore } from "./database.ts";
import { isDatabaseAway } from "./database-away.ts";
import { removeFunction } from "./functions/remove.ts";
import { newId } from "./ids.ts";
import { ensureNamespace } from "./keys.ts";
import { demandSchema, isMigrated, migrateDown, migrateUp } from "./migrate.ts";
import { deployFunction, queueInvocation } from "./testing/samples.ts";

const database = await createEmptyDatabase();
const store = openStore({
  databaseUrl: database.url,
  applicationName: "bellhop-test",
  maxConnections: 10,
  onError: () => {},
});
const { db, pool, close } = store;
after(async () => {
  await close();
  await database.drop();
});

async function listTables(): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'kysely%'`.execute(
    db,
  );
  return rows.map(({ name }) => name);
}

const INITIAL = "0001-initial";
const LATER = [
  "0002-function-limits",
  "0003-revision-traffic",
  "0004-secrets",
  "0005-function-kv",
  "0006-remove-functions-hooks-idempotency",
  "0007-direct-lane",
  "0008-worker-load",
  "0009-trace-context",
  "0010-worker-receive",
  "0011-run-fences",
  "0013-skipped-runs",
  "0014-limits-by-key",
  "0015-task-policy",
  "0016-mailbox",
  "0017-task-ends",
  "0018-revision-env",
  "0019-replays",
  "0020-list-filters",
  "0021-bulk-actions",
  "0022-run-deadlines",
  "0023-task-pauses",
  "0024-call-attempts",
  "0025-signing-secrets",
  "0026-callbacks",
  "0027-events",
  "0028-error-groups",
  "0030-kept-answers",
  "0032-deferred-runs",
  "0034-task-keys",
  "0035-task-changes",
  "0036-schedule-cursors",
  "0038-held-runs",
  "0042-enqueued-tasks",
  "0043-calendars",
  "0045-expectations",
  "0048-backfills",
  "0049-virtual-clock",
  "0050-queues",
  "0051-rates",
  "0057-upcoming-order",
  "0058-returned-permits",
  "0059-priorities",
  "0060-claims-in-shares",
  "0061-turns",
  "0062-due-limits",
  "0063-joinable-runs",
  "0064-debounced-tasks",
  "0065-exclusion-looks",
  "0066-uncounted-limits",
  "0067-shares-of-intake",
  "0068-hook-places",
  "0069-keys",
  "0070-namespaces",
  "0073-audit-log",
  "0074-ended-keys",
  "0075-namespace-limits",
  "0076-guarded-hooks",
  "0079-waiting-callers",
  "0080-sign-in-codes",
  "0081-namespace-egress",
  "0083-token-subjects",
  "0085-open-streams",
  "0086-daily-runs",
  "0087-erasures",
  "0088-audit-events",
  "0092-activity",
  "0093-cold-starts",
  "0094-error-hours",
  "0095-stored-bytes",
  "0096-slots-shares",
  "0097-stored-totals",
  "0104-lighter-analyze",
];

test("roles that start together migrate once", async () => {
  const done = await Promise.all(Array.from({ length: 4 }, () => migrateUp(store)));
  assert.deepEqual(done.flat().toSorted(), [INITIAL, ...LATER], "each was done by one of them");
  assert.ok(await isMigrated(db));
  assert.ok((await listTables()).includes("task_runs_open"));
});

async function withMigration(name: string, work: () => Promise<void>): Promise<void> {
  await sql`INSERT INTO kysely_migration (name, timestamp) VALUES (${name}, '')`.execute(db);
  try {
    await work();
  } finally {
    await sql`DELETE FROM kysely_migration WHERE name = ${name}`.execute(db);
  }
}

test("a later release's schema is accepted while it only adds", async () => {
  await withMigration("9998-add-a-column", async () => {
    assert.deepEqual(await migrateUp(store), []);
    assert.ok(await isMigrated(db));
    await demandSchema(db);
    await assert.rejects(migrateDown(store), /9998-add-a-column is a later release's/);
  });
});

test("one that took away what this release needs is refused, also where it runs already", async () => {
  await withMigration("9999-drop-a-column-needs-9998", async () => {
    await assert.rejects(migrateUp(store), {
      code: "database_unusable",
      message: /a later release took away what this one needs \(9999-drop-a-column-needs-9998: /,
    });
    await assert.rejects(demandSchema(db), /a later release took away/);
  });
});

/** Every column and index there is. */
async function describeSchema(): Promise<string[]> {
  const { rows } = await sql<{ line: string }>`
    SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable AS line
      FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'kysely%'
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'kysely%'
    ORDER BY line`.execute(db);
  return rows.map(({ line }) => line);
}

test("down takes everything back, newest first, and up brings it again", async () => {
  assert.deepEqual(await migrateUp(store), []);
  const before = await describeSchema();
  const namespaceId = await ensureNamespace(db, "gone");
  await deployFunction(db, namespaceId, "limited", { concurrency: 1 });
  await queueInvocation(store, namespaceId, "limited", { trigger: "hook" });
  await deployFunction(db, namespaceId, "removed");
  await removeFunction(db, namespaceId, "removed");
  await deployFunction(db, namespaceId, "removed");
  await sql`UPDATE task_runs_open SET room = 'awaited'`.execute(db);
  for (const name of LATER.toReversed()) assert.deepEqual(await migrateDown(store), [name]);
  const { rows } = await sql<{ state: string }>`SELECT state FROM task_runs_open`.execute(db);
  assert.deepEqual(rows, [{ state: "queued" }], "what waited for a permit is a queued run again");
  assert.equal(await isMigrated(db), false);
  assert.deepEqual(await migrateUp(store), LATER);
  assert.deepEqual(await describeSchema(), before);
  for (const name of [INITIAL, ...LATER].toReversed()) assert.deepEqual(await migrateDown(store), [name]);
  assert.deepEqual(await listTables(), []);
  assert.equal(await isMigrated(db), false);
  assert.deepEqual(await migrateDown(store), []);
  assert.deepEqual(await migrateUp(store), [INITIAL, ...LATER]);
  assert.deepEqual(await describeSchema(), before);
  assert.ok(await isMigrated(db));
});

/** Inserts a row made of a sound one and `change`; the SQLSTATE it is refused with. */
async function refusalOf(table: string, sound: object, change: object): Promise<string | undefined> {
  const row = Object.entries({ ...sound, ...change });
  const columns = row.map(([name]) => `"${name}"`).join(", ");
  const places = row.map((_, index) => `$${index + 1}`).join(", ");
  try {
    await pool.query(
      `INSERT INTO ${table} (${columns}) VALUES (${places})`,
      row.map(([, value]) => value),
    );
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const CHECK_VIOLATION = "23514";
const at = new Date();

test("constraints refuse runs that cannot be", async () => {
  const sound = () => ({
    id: newId(),
    namespace_id: newId(),
    task_id: newId(),
    type: "http",
    trigger: "schedule",
    state: "queued",
    scheduled_for: at,
    available_at: at,
  });
  const possible: object[] = [
    {},
    { state: "running", worker_id: newId(), started_at: at },
    { state: "dead", dead_at: at },
    { state: "succeeded", finished_at: at },
    { task_id: null, function_id: newId() },
    { function_id: newId(), room: "awaited" },
    { function_id: newId(), trigger: "hook" },
    { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` },
    { function_id: newId(), room: "offered" },
    { room: "awaited" },
    { waiting_for: "concurrency", waiting_key: "queue:mail", room: "awaited" },
    { waiting_key: "queue:mail", permits: ["queue:mail"] },
  ];
  for (const change of possible)
    assert.equal(await refusalOf("task_runs", sound(), change), undefined, JSON.stringify(change));
  const impossible: object[] = [
    { state: "sleeping" },
    { trigger: "whim" },
    { attempt: 0 },
    { state: "running" },
    { state: "running", worker_id: newId() },
    { state: "running", started_at: at },
    { state: "dead" },
    { state: "queued", dead_at: at },
    { state: "succeeded" },
    { state: "cancelled", finished_at: "infinity" },
    { state: "queued", finished_at: at },
    { state: "dead", dead_at: at, finished_at: at },
    { task_id: null },
    { traceparent: "00-a-b-01" },
    { waiting_for: "concurrency" },
    { waiting_for: "luck", waiting_key: "queue:mail" },
    { function_id: newId(), room: "none" },
    { function_id: newId(), room: "awaited", state: "running", worker_id: newId(), started_at: at },
  ];
  for (const change of impossible) {
    assert.equal(await refusalOf("task_runs", sound(), change), CHECK_VIOLATION, JSON.stringify(change));
  }
});

test("constraints refuse tasks, keys, namespaces and log lines that cannot be", async () => {
  const namespaceId = await ensureNamespace(db, "constraints");
  const task = () => ({
    id: newId(),
    namespace_id: namespaceId,
    state: "active",
    type: "http",
    spec: "{}",
    schedule: "{}",
    anchor_at: at,
    next_run_at: at,
    retry: "{}",
    timeout_ms: 1,
    dead_letter: true,
    labels: "{}",
  });
  assert.equal(await refusalOf("tasks", task(), {}), undefined);
  assert.equal(await refusalOf("tasks", task(), { state: "completed", next_run_at: null }), undefined);
  for (const change of [
    { state: "asleep" },
    { type: "ftp" },
    { next_run_at: null },
    { state: "completed" },
    { state: "cancelled" },
    { timeout_ms: 0 },
    { type: "function" },
  ]) {
    assert.equal(await refusalOf("tasks", task(), change), CHECK_VIOLATION, JSON.stringify(change));
  }
  const key = { id: newId(), namespace_id: namespaceId, name: "k", key_hash: Buffer.alloc(31), scopes: [] };
  assert.equal(await refusalOf("api_keys", key, {}), CHECK_VIOLATION, "only a hash, never a key");
  assert.equal(await refusalOf("namespaces", { id: newId(), name: "Not-A-Name" }, {}), CHECK_VIOLATION);
  const line = { at, namespace_id: namespaceId, run_id: newId(), attempt: 1, level: "loud", message: "" };
  assert.equal(await refusalOf("task_logs", line, {}), CHECK_VIOLATION);
});

/** A database that counts the statements asked of it. */
function countingStatements() {
  const counted = { statements: 0, db };
  counted.db = db.withPlugin({
    transformQuery({ node }) {
      counted.statements += 1;
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  return counted;
}

test("a start that finds everything done asks one statement; the next day's first one makes a day", async () => {
  const now = new Date();
  await migrateUp(store, { now });
  const counted = countingStatements();
  assert.deepEqual(await migrateUp({ ...store, db: counted.db }, { now }), []);
  assert.equal(counted.statements, 1);
  const tomorrow = new Date(now.getTime() + 86_400_000);
  assert.deepEqual(await migrateUp(store, { now: tomorrow }), []);
  await migrateUp({ ...store, db: counted.db }, { now: tomorrow });
  assert.equal(counted.statements, 2);
});

test("the statement that tells of the schema tells the database's time, too", async () => {
  const heard: Date[] = [];
  const beganMs = performance.now();
  await migrateUp(store, {
    hearTime({ at }, askedMs) {
      heard.push(at);
      assert.ok(askedMs >= beganMs && askedMs <= performance.now());
    },
  });
  const { rows } = await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(db);
  assert.equal(heard.length, 1);
  assert.ok(heard[0]! <= rows[0]!.now && rows[0]!.now.getTime() - heard[0]!.getTime() < 60_000);
});

test("a reader who holds the tables keeps no start from the days that are there", async () => {
  const now = new Date();
  await migrateUp(store, { now });
  const later = new Date(now.getTime() + 3 * 86_400_000);
  const lines: string[] = [];
  await db.transaction().execute(async (tx) => {
    await sql`SELECT FROM task_runs, task_logs`.execute(tx);
    assert.deepEqual(await migrateUp(store, { now: later, report: (line) => lines.push(line) }), []);
  });
  assert.deepEqual(lines, ["partitions of days to come are not made yet: their table is locked"]);
});

test("a server that takes no writes is waited for, one that is too old is not", async () => {
  const name = sql.id(new URL(database.url).pathname.slice(1));
  await sql`ALTER DATABASE ${name} SET default_transaction_read_only = on`.execute(db);
  const standby = openStore({
    ...{ databaseUrl: database.url, applicationName: "bellhop-test", maxConnections: 1 },
    onError: () => {},
  });
  await assert.rejects(migrateUp(standby), (error) => isDatabaseAway(error) && /standby/.test(String(error)));
  await standby.close();
  await sql`ALTER DATABASE ${name} RESET default_transaction_read_only`.execute(db);
  const old = db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => ({
      ...result,
      rows: result.rows.map((row) => ({ ...row, version: 140_012 })),
    }),
  });
  await assert.rejects(migrateUp({ ...store, db: old }), {
    code: "database_unusable",
    message: /it is version 14, and 15 or later is needed/,
  });
});
