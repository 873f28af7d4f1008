import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import { newId } from "./ids.ts";
import { dropExpiredPartitions, ensurePartitions } from "./partitions.ts";
import { openTestStore, untilBlocked } from "./testing/test-store.ts";

const { store, db } = await openTestStore(createTestDatabase);
const DAY_MS = 86_400_000;
const daysFrom = (now: Date, days: number) => new Date(now.getTime() + days * DAY_MS);

async function listDays(table: "task_runs" | "task_logs"): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relname ~ ${`^${table}_\\d{8}$`} ORDER BY 1`.execute(
    db,
  );
  return rows.map(({ name }) => name.slice(-8));
}

const digits = (day: Date) => day.toISOString().slice(0, 10).replaceAll("-", "");

/** A finished run and a line of that instant. */
async function recordAt(at: Date): Promise<string> {
  const id = newId();
  await sql`INSERT INTO task_runs (id, finished_at, namespace_id, task_id, type, trigger, state, scheduled_for, available_at)
    VALUES (${id}, ${at}, ${newId()}, ${newId()}, 'http', 'schedule', 'succeeded', ${at}, ${at})`.execute(db);
  await sql`INSERT INTO task_logs (at, namespace_id, run_id, attempt, level, message)
    VALUES (${at}, ${newId()}, ${id}, 1, 'info', 'x')`.execute(db);
  return id;
}

/** So that the other tests find the days that they expect. */
async function dropFrom(day: Date): Promise<void> {
  for (const table of ["task_runs", "task_logs"] as const)
    for (const each of await listDays(table))
      if (each >= digits(day)) await sql`DROP TABLE ${sql.table(`${table}_${each}`)}`.execute(db);
}

async function countOf(table: "task_runs" | "task_logs"): Promise<number> {
  const { rows } = await sql<{
    count: number;
  }>`SELECT count(*)::int AS count FROM ${sql.table(table)}`.execute(db);
  return rows[0]!.count;
}

test("the days from yesterday to two weeks ahead are there, for runs and for logs", async () => {
  const now = new Date();
  await ensurePartitions(db, now);
  const expected = Array.from({ length: 16 }, (_, index) => digits(daysFrom(now, index - 1)));
  for (const table of ["task_runs", "task_logs"] as const) {
    const days = await listDays(table);
    for (const day of expected) assert.ok(days.includes(day), `${table} of ${day}`);
  }
});

test("a day is analyzed as its table says: lines seldom, and nothing that no condition compares", async () => {
  const now = daysFrom(new Date(), 40);
  await ensurePartitions(db, now);
  const { rows } = await sql<{ name: string; options: string[] | null; columns: string[] }>`
    SELECT c.relname AS name, c.reloptions AS options, ARRAY(
      SELECT attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget = 0 ORDER BY 1) AS columns
    FROM pg_class c WHERE relkind = 'r' AND relname ~ '^task_(runs|logs)_[0-9]{8}$' ORDER BY 1`.execute(db);
  const days = rows.map(({ name }) => name.slice(-8));
  assert.ok(days.includes(digits(now)) && days.includes(digits(new Date())), days.join());
  for (const { name, options, columns } of rows) {
    const isOfLines = name.startsWith("task_logs");
    assert.deepEqual(options, isOfLines ? ["autovacuum_analyze_threshold=25000"] : null, name);
    assert.deepEqual(columns, isOfLines ? ["fields"] : ["attempts", "input", "result"], name);
  }
  await dropFrom(daysFrom(now, -1));
});

test("making them again changes nothing, nor do many at once, and the next day adds one", async () => {
  const now = new Date();
  const before = await listDays("task_runs");
  await ensurePartitions(db, now);
  assert.deepEqual(await listDays("task_runs"), before);
  const tomorrow = daysFrom(now, 1);
  await Promise.all(Array.from({ length: 4 }, () => ensurePartitions(db, tomorrow)));
  assert.deepEqual(await listDays("task_runs"), [...before, digits(daysFrom(now, 15))]);
});

test("whoever has written a line and then looks at runs meets no deadlock with days that are made", async (t) => {
  const worker = await store.pool.connect();
  t.after(() => worker.release());
  await worker.query("BEGIN");
  await worker.query(
    "INSERT INTO task_logs (at, namespace_id, run_id, attempt, level, message) VALUES (now(), $1, $1, 1, 'info', 'x')",
    [newId()],
  );
  const making = ensurePartitions(db, daysFrom(new Date(), 400));
  await untilBlocked(store);
  await worker.query("SELECT FROM task_runs LIMIT 1");
  await worker.query("COMMIT");
  await making;
  assert.ok((await listDays("task_logs")).includes(digits(daysFrom(new Date(), 400))));
  await dropFrom(daysFrom(new Date(), 300));
});

test("a day begins and ends at midnight, UTC", async () => {
  const day = new Date("2027-06-15T12:00:00.000Z");
  await ensurePartitions(db, day);
  for (const [instant, expected] of [
    ["2027-06-14T23:59:59.999Z", "20270614"],
    ["2027-06-15T00:00:00.000Z", "20270615"],
    ["2027-06-15T23:59:59.999Z", "20270615"],
  ] as const) {
    const id = await recordAt(new Date(instant));
    const { rows } = await sql<{ name: string }>`
      SELECT tableoid::regclass::text AS name FROM task_runs WHERE id = ${id}`.execute(db);
    assert.equal(rows[0]!.name, `task_runs_${expected}`);
  }
});

test("whole days past the retention are dropped, with their rows; the others and open runs stay", async () => {
  const now = new Date("2025-05-20T15:00:00.000Z");
  await ensurePartitions(db, daysFrom(now, -31));
  const [gone, kept] = [daysFrom(now, -31), daysFrom(now, -30)];
  await sql`DELETE FROM task_runs`.execute(db);
  await sql`DELETE FROM task_logs`.execute(db);
  for (const at of [gone, kept]) await recordAt(at);
  await sql`INSERT INTO task_runs (id, namespace_id, task_id, type, trigger, state, scheduled_for, available_at)
    VALUES (${newId()}, ${newId()}, ${newId()}, 'http', 'schedule', 'queued', ${gone}, ${gone})`.execute(db);
  const dropped = await dropExpiredPartitions(store, now, 30);
  assert.deepEqual(dropped.sort(), [
    `task_logs_${digits(daysFrom(now, -32))}`,
    `task_logs_${digits(gone)}`,
    `task_runs_${digits(daysFrom(now, -32))}`,
    `task_runs_${digits(gone)}`,
  ]);
  assert.equal((await listDays("task_runs"))[0], digits(kept), "the thirtieth day is whole");
  assert.deepEqual([await countOf("task_runs"), await countOf("task_logs")], [2, 1]);
  assert.deepEqual(await dropExpiredPartitions(store, now, 30), []);
});

test("schedulers that drop at the same moment do not fall over each other", async () => {
  const now = new Date("2022-05-20T15:00:00.000Z");
  await ensurePartitions(db, daysFrom(now, -15));
  const passes = await Promise.all(Array.from({ length: 3 }, () => dropExpiredPartitions(store, now, 15)));
  const dropped = passes.flat();
  assert.equal(new Set(dropped).size, dropped.length, "no day twice");
  assert.ok(!(await listDays("task_runs")).includes(digits(daysFrom(now, -16))));
});

test("a reader who holds on to a day delays its end and no more: the next pass drops it", async () => {
  const now = new Date("2024-05-20T15:00:00.000Z");
  await ensurePartitions(db, daysFrom(now, -15));
  const old = digits(daysFrom(now, -16));
  const reader = await store.pool.connect();
  await reader.query("BEGIN");
  await reader.query("SET LOCAL idle_in_transaction_session_timeout = 0");
  await reader.query("SELECT count(*) FROM task_runs");
  await assert.rejects(dropExpiredPartitions(store, now, 15), /lock timeout/);
  await recordAt(new Date());
  await reader.query("COMMIT");
  reader.release();
  await dropExpiredPartitions(store, now, 15);
  assert.ok(!(await listDays("task_runs")).includes(old));
  assert.ok(!(await listDays("task_logs")).includes(old));
});

test("a day that was detached and not dropped is dropped by the next pass", async () => {
  const now = new Date("2023-05-20T15:00:00.000Z");
  await ensurePartitions(db, daysFrom(now, -15));
  const old = `task_logs_${digits(daysFrom(now, -16))}`;
  await sql`ALTER TABLE task_logs DETACH PARTITION ${sql.table(old)}`.execute(db);
  assert.ok((await dropExpiredPartitions(store, now, 15)).includes(old));
  assert.ok(!(await listDays("task_logs")).includes(old.slice(-8)));
});
