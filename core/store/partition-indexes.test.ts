import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import { newId } from "./ids.ts";
import { migrateDown, migrateUp } from "./migrate.ts";
import { completeIndexes } from "./partition-indexes.ts";
import { ensurePartitions } from "./partitions.ts";
import { openTestStore, untilBlocked } from "./testing/test-store.ts";

const { store, db } = await openTestStore(createTestDatabase);
const now = new Date();
const INDEXES = [
  ...["by_error", "by_failure", "by_function", "by_record", "by_state", "by_trigger"],
  ...["long_queued", "long_started"],
];
const digits = (at: Date) => at.toISOString().slice(0, 10).replaceAll("-", "");
const inDays = (count: number) => new Date(now.getTime() + count * 86_400_000);

/** Partition → its attached ones of these indexes. */
async function listAttached(): Promise<Map<string, string[]>> {
  const { rows } = await sql<{ partition: string; indexes: string[] }>`
    SELECT t.relname AS partition, array_agg(substr(p.relname, 11) ORDER BY p.relname)
      FILTER (WHERE p.relname = ANY(${INDEXES.map((name) => `task_runs_${name}`)})) AS indexes
    FROM pg_class t JOIN pg_inherits d ON d.inhrelid = t.oid AND d.inhparent = 'task_runs'::regclass
    LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisvalid
    LEFT JOIN pg_inherits a ON a.inhrelid = i.indexrelid LEFT JOIN pg_class p ON p.oid = a.inhparent
    GROUP BY t.relname ORDER BY t.relname`.execute(db);
  return new Map(rows.map(({ partition, indexes }) => [partition, indexes ?? []]));
}

/** As an upgrade finds it: the days stand, the migration is yet to come. Those of these days from now hold runs. */
async function upgrade(days: number[]): Promise<void> {
  while ((await migrateDown(store))[0] !== "0020-list-filters");
  for (const day of days)
    await sql`INSERT INTO task_runs (id, finished_at, namespace_id, task_id, type, trigger, state, scheduled_for, available_at)
      VALUES (${newId()}, ${inDays(day)}, ${newId()}, ${newId()}, 'http', 'manual', 'failed', now(), now())`.execute(
      db,
    );
  await migrateUp(store);
}

test("a day is born with the indexes of its parent, the open partition without", async () => {
  await ensurePartitions(db, inDays(1));
  const attached = await listAttached();
  assert.deepEqual(attached.get(`task_runs_${digits(inDays(15))}`), INDEXES);
  assert.deepEqual(attached.get("task_runs_open"), []);
  assert.deepEqual(await completeIndexes(store, now), []);
});

test("days that stood before the indexes get them once, also where a pass broke off", async () => {
  await upgrade([-1, 0]);
  const dayIn = (count: number) => `task_runs_${digits(inDays(count))}`;
  const [today, tomorrow] = [dayIn(0), dayIn(1)];
  const before = await listAttached();
  assert.deepEqual([before.get(today), before.get(tomorrow)], [[], INDEXES]);
  // What a pass that broke off leaves: built, not attached.
  await sql`CREATE INDEX ${sql.table(`${today}_by_state`)} ON ${sql.table(today)} (namespace_id)`.execute(db);
  const [built, others] = await Promise.all([completeIndexes(store, now), completeIndexes(store, now)]);
  const attached = await listAttached();
  assert.equal(built.length + others.length, INDEXES.length * 2, "none is built twice");
  for (const [partition, indexes] of attached)
    assert.deepEqual(indexes, partition === "task_runs_open" ? [] : INDEXES, partition);
  assert.deepEqual(await completeIndexes(store, now), []);
});

test("who stops waits for no index: what is being built is left to the next pass", async () => {
  await upgrade([0]);
  const today = sql.table(`task_runs_${digits(now)}`);
  const stopping = new AbortController();
  await db.transaction().execute(async (tx) => {
    // A build waits for whoever writes the day.
    await sql`LOCK TABLE ${today} IN ROW EXCLUSIVE MODE`.execute(tx);
    const building = completeIndexes(store, now, stopping.signal);
    await untilBlocked(store);
    stopping.abort();
    assert.deepEqual(await building, []);
    assert.deepEqual(await completeIndexes(store, now, stopping.signal), []);
  });
  await completeIndexes(store, now);
  assert.deepEqual((await listAttached()).get(`task_runs_${digits(now)}`), INDEXES);
});

test("without a session, only days that are over are given theirs", async () => {
  await upgrade([1, 2]);
  const pooled = { ...store, findSessions: async () => undefined };
  await completeIndexes(pooled, inDays(3));
  const attached = await listAttached();
  assert.deepEqual(attached.get(`task_runs_${digits(inDays(1))}`), INDEXES);
  assert.deepEqual(attached.get(`task_runs_${digits(inDays(2))}`), []);
});
