import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import { newId } from "./ids.ts";
import { makeWorker, startRun } from "./testing/samples.ts";
import { openTestStore } from "./testing/test-store.ts";
import {
  listCallableWorkers,
  listServingWorkers,
  removeExpiredWorkers,
  removeWorker,
  renewLease,
} from "./workers.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

const facts = () => ({ id: newId(), host: "10.0.0.1", pid: 42, slots: 7 });

async function listWorkers() {
  const { rows } = await sql<{ id: string; draining: boolean; leftMs: number; slots: number }>`
    SELECT id, draining, slots, (extract(epoch FROM lease_until - clock_timestamp()) * 1000)::int AS "leftMs"
    FROM workers ORDER BY id`.execute(db);
  return rows;
}

test("a heartbeat makes the row, and makes the lease new from now on", async () => {
  const worker = facts();
  await renewLease(db, worker, 60_000, false);
  const [first] = await listWorkers();
  assert.deepEqual([first?.id, first?.slots, first?.draining], [worker.id, 7, false]);
  assert.ok(first!.leftMs > 30_000 && first!.leftMs <= 60_000, String(first!.leftMs));
  await renewLease(db, worker, 600_000, true);
  const [second, ...others] = await listWorkers();
  assert.deepEqual(others, []);
  assert.equal(second?.draining, true);
  assert.ok(second.leftMs > 500_000 && second.leftMs <= 600_000, String(second.leftMs));
});

test("a worker that comes rings with its row; one that stays does not", async (t) => {
  const client = await store.pool.connect();
  t.after(() => client.release(true));
  const bells: string[] = [];
  const heardLast = Promise.withResolvers<void>();
  client.on("notification", ({ payload = "" }) => {
    bells.push(payload);
    if (payload === "last") heardLast.resolve();
  });
  await client.query("LISTEN bellhop_workers");
  const worker = facts();
  await renewLease(db, worker, 60_000, false);
  await renewLease(db, worker, 60_000, false);
  await sql`SELECT pg_notify('bellhop_workers', 'last')`.execute(db);
  await heardLast.promise;
  assert.deepEqual(bells, ["", "last"]);
});

test("a first lease is there at once, without waiting for the disk; what comes after it in a session does", async () => {
  const settingOf = async (scope: typeof db) => {
    const { rows } = await sql<{
      setting: string;
    }>`SELECT current_setting('synchronous_commit') AS setting`.execute(scope);
    return rows[0]!.setting;
  };
  const worker = facts();
  await db.connection().execute(async (session) => {
    const usual = await settingOf(session);
    await session.transaction().execute(async (tx) => {
      await renewLease(tx, worker, 60_000, false, true);
      assert.equal(await settingOf(tx), "off");
    });
    assert.equal(await settingOf(session), usual);
    await session.transaction().execute(async (tx) => {
      await renewLease(tx, worker, 60_000, false);
      assert.equal(await settingOf(tx), usual);
    });
  });
  const [row] = await listWorkers();
  assert.equal(row?.id, worker.id);
});

test("who drains does not come back: a word that was overtaken changes nothing", async () => {
  const worker = facts();
  await renewLease(db, worker, 5_000, true);
  await renewLease(db, worker, 60_000, false);
  assert.equal((await listWorkers())[0]?.draining, true);
});

test("an autoscaler counts those that take work from the queue, oldest first", async () => {
  const [first, second, draining, sent, lost] = Array.from({ length: 5 }, facts);
  await renewLease(db, { ...second!, busy: 3 }, 5_000, false);
  await renewLease(db, first!, 5_000, false);
  await renewLease(db, draining!, 5_000, true);
  await renewLease(db, { ...sent!, receive: "events" }, 5_000, false);
  await renewLease(db, lost!, -1, false);
  assert.deepEqual(await listServingWorkers(store), [
    { id: first!.id, slots: 7, busy: 0 },
    { id: second!.id, slots: 7, busy: 3 },
  ]);
});

test("workers that take calls are listed with their leases, compared with one instant; without any it is told all the same", async () => {
  assert.deepEqual((await listCallableWorkers(store)).workers, []);
  const [alive, lapsed, queueOnly] = Array.from({ length: 3 }, facts);
  const called = { address: "10.0.0.1:1", callToken: "token" };
  await renewLease(db, { ...alive!, ...called }, 5_000, false);
  await renewLease(db, { ...lapsed!, ...called }, -1, true);
  assert.equal((await listCallableWorkers(store)).hasQueueWorkers, false);
  await renewLease(db, queueOnly!, 5_000, false);
  const { word, workers, hasQueueWorkers } = await listCallableWorkers(store);
  assert.equal(hasQueueWorkers, true);
  const common = { ...called, slots: 7 };
  assert.deepEqual(
    workers.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    [
      { id: alive!.id, ...common, isDraining: false, leaseMs: 5_000, isLapsed: false },
      { id: lapsed!.id, ...common, isDraining: true, leaseMs: -1, isLapsed: true },
    ],
  );
  assert.ok(word.serverStartedAt < word.at);
});

test("a worker that leaves takes its row along", async () => {
  const [a, b] = [facts(), facts()];
  for (const worker of [a, b]) await renewLease(db, worker, 5_000, false);
  await removeWorker(db, a.id);
  await removeWorker(db, a.id);
  assert.deepEqual(
    (await listWorkers()).map(({ id }) => id),
    [b.id],
  );
});

test("rows are cleared away an hour after their lease, unless a run still waits for its rescue", async () => {
  const namespaceId = await newNamespace();
  const [gone, owner, recent] = [
    await makeWorker(db, -3_700_000),
    await makeWorker(db, -3_700_000),
    await makeWorker(db, -3_500_000),
  ];
  await startRun(store, namespaceId, owner);
  await removeExpiredWorkers(db);
  const left = (await listWorkers()).map(({ id }) => id);
  assert.deepEqual(left, [owner, recent].sort());
  assert.ok(!left.includes(gone));
});
