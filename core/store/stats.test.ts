import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import { newId } from "./ids.ts";
import { claimRuns } from "./runs/claim.ts";
import { readStats } from "./stats.ts";
import { createTask } from "./tasks/create.ts";
import {
  deployFunction,
  httpTask,
  makeWorker,
  queueInvocation,
  queueRun,
  startRun,
} from "./testing/samples.ts";
import { openTestStore, until } from "./testing/test-store.ts";
import { renewLease } from "./workers.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

test("an empty system: nothing waits, nobody works, there are partitions for two weeks", async () => {
  const { partitionsLeftSeconds, deadOpenRows: _, horizonAges, ...rest } = await readStats(store);
  // The store's own statements hold one for a moment.
  assert.deepEqual(
    { ...horizonAges, session: 0 },
    { session: 0, prepared_transaction: 0, replication_slot: 0, standby: 0 },
  );
  assert.deepEqual(rest, {
    ...{
      openRuns: [],
      waitingForPermit: 0,
      deferredRuns: 0,
      tasksWithoutInstant: 0,
      oldestDueSeconds: 0,
      oldestUnstagedSeconds: 0,
    },
    ...{ workers: { live: 0, draining: 0, lost: 0 }, slots: 0, busySlots: 0, oldestTransactionSeconds: 0 },
  });
  const days = partitionsLeftSeconds / 86_400;
  assert.ok(days > 14 && days <= 15, `${days} days`);
});

test("open runs are counted by type and state, and the oldest that is due has its age", async () => {
  const namespaceId = await newNamespace();
  const overdue = await queueRun(store, namespaceId);
  const later = await queueRun(store, namespaceId);
  await startRun(store, namespaceId, await makeWorker(db));
  const setDue = (id: string, offset: string) =>
    sql`UPDATE task_runs_open SET available_at = now() + ${offset}::interval WHERE id = ${id}`.execute(db);
  await setDue(overdue, "-90 seconds");
  await setDue(later, "1 hour");
  const { openRuns, oldestDueSeconds } = await readStats(store);
  assert.deepEqual(
    openRuns.sort((a, b) => a.state.localeCompare(b.state)),
    [
      { type: "http", state: "queued", count: 2 },
      { type: "http", state: "running", count: 1 },
    ],
  );
  assert.ok(oldestDueSeconds >= 90 && oldestDueSeconds < 120, `${oldestDueSeconds} s`);
});

test("a run that waits for a permit is told apart, and is not the oldest due one", async () => {
  const namespaceId = await newNamespace();
  await deployFunction(db, namespaceId, "single", { concurrency: 1 });
  const ids = [
    await queueInvocation(store, namespaceId, "single"),
    await queueInvocation(store, namespaceId, "single"),
  ];
  await claimRuns(store, await makeWorker(db), ids);
  const { waitingForPermit, oldestDueSeconds } = await readStats(store);
  assert.deepEqual({ waitingForPermit, oldestDueSeconds }, { waitingForPermit: 1, oldestDueSeconds: 0 });
});

test("a run that waits for an earlier one of its task waits for no permit, and is queued", async () => {
  const runId = await queueRun(store, await newNamespace());
  await sql`UPDATE task_runs_open SET waiting_for = 'overlap', waiting_key = 'task:' || task_id, room = 'awaited'
    WHERE id = ${runId}`.execute(db);
  const { waitingForPermit, openRuns } = await readStats(store);
  assert.equal(waitingForPermit, 0);
  assert.deepEqual(openRuns, [{ type: "http", state: "queued", count: 1 }]);
});

test("a task that nobody stages has its age; one for later has none", async () => {
  const namespaceId = await newNamespace();
  const at = new Date(Date.now() + 60_000).toISOString();
  await createTask(store, { namespaceId, input: httpTask({ kind: "once", at }), now: new Date() });
  assert.equal((await readStats(store)).oldestUnstagedSeconds, 0);
  await sql`UPDATE tasks SET next_run_at = now() - interval '10 minutes'`.execute(db);
  const { oldestUnstagedSeconds } = await readStats(store);
  assert.ok(oldestUnstagedSeconds >= 600 && oldestUnstagedSeconds < 630, `${oldestUnstagedSeconds} s`);
});

test("workers by the state of their lease, and the slots of those whose lease stands", async () => {
  const worker = (given: { leaseMs: number; busy: number; draining: boolean }) =>
    renewLease(
      db,
      { id: newId(), host: "h", pid: 1, slots: 10, busy: given.busy },
      given.leaseMs,
      given.draining,
    );
  await worker({ leaseMs: 60_000, busy: 4, draining: false });
  await worker({ leaseMs: 60_000, busy: 1, draining: true });
  await worker({ leaseMs: -1_000, busy: 7, draining: false });
  const { workers, slots, busySlots } = await readStats(store);
  assert.deepEqual(workers, { live: 1, draining: 1, lost: 1 });
  assert.deepEqual({ slots, busySlots }, { slots: 20, busySlots: 5 });
});

test("a transaction that stays open is told", async () => {
  const client = await store.pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT pg_sleep(0.02)");
    assert.ok((await readStats(store)).oldestTransactionSeconds >= 0.02);
  } finally {
    await client.query("ROLLBACK");
    client.release();
  }
});

test("dead rows of open runs are told, of finished ones not", async () => {
  const namespaceId = await newNamespace();
  for (let i = 0; i < 3; i++) await queueRun(store, namespaceId);
  await sql`UPDATE task_runs_open SET priority = priority`.execute(db);
  await sql`UPDATE tasks SET name = 'x'`.execute(db);
  await until(async () => {
    // A session reports what it did when it has been idle for a while, or is asked to.
    await sql`SELECT pg_stat_force_next_flush()`.execute(db);
    return (await readStats(store)).deadOpenRows >= 3 || undefined;
  });
});

test("partitions of logs that run out are not hidden by those of runs", async () => {
  await sql`DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relname ~ '^task_logs_[0-9]{8}$'
      AND right(relname, 8) > to_char(now() + interval '2 days', 'YYYYMMDD')
    LOOP EXECUTE 'DROP TABLE ' || name; END LOOP; END $$`.execute(db);
  const days = (await readStats(store)).partitionsLeftSeconds / 86_400;
  assert.ok(days > 2 && days <= 3, `${days} days`);
});
