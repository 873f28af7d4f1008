/** Permits that a worker has in advance: what they cost, who gets them, and that they are never one too many. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { queueKey } from "../../domain/limit-keys.ts";
import { NO_LIMITS, type QueueLimits, UNTIL_RESUMED } from "../../domain/queue.ts";
import { pauseQueue, putQueue, removeQueue } from "../queues/queues.ts";
import { cancelRuns } from "../runs/cancel.ts";
import { type ClaimedRun, claimDueRuns, claimRuns } from "../runs/claim.ts";
import { finishAttempts, releaseRuns } from "../runs/finish.ts";
import { deferred, finished, makeWorker, queueRun } from "../testing/samples.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { grantPermits } from "./grant-permits.ts";
import { borrowPermits } from "./lendings.ts";
import { callBackPermits, callBackUnused, lendPermits } from "./lent-permits.ts";
import { recountPermits } from "./recount-permits.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);
/** Whatever happened: as many permits are out as runs and workers hold. */
afterEach(async () => assert.deepEqual(await recountPermits(store), []));

const FAR = 200;
const LENT = 64;

async function openQueue(given: Partial<QueueLimits> = { concurrency: FAR }) {
  const namespaceId = await newNamespace();
  const key = queueKey(namespaceId, "mail");
  const put = async (limits: Partial<QueueLimits>) => {
    const { freedKeys } = await putQueue(store, namespaceId, "mail", { limits: { ...NO_LIMITS, ...limits } });
    await grantPermits(store, freedKeys);
  };
  await put(given);
  return {
    ...{ namespaceId, key, put },
    async queueMany(count: number): Promise<string[]> {
      const ids: string[] = [];
      for (let made = 0; made < count; made += 1)
        ids.push(await queueRun(store, namespaceId, { queue: "mail" }));
      return ids;
    },
    async held(): Promise<number> {
      const { rows } = await sql<{ held: number }>`SELECT permits_held - (
        SELECT coalesce(sum(count), 0) FROM returned_permits b WHERE b.key = l.key)::int AS held
        FROM run_limits l WHERE key = ${key}`.execute(db);
      return rows[0]!.held;
    },
  };
}

type Queue = Awaited<ReturnType<typeof openQueue>>;

/** A worker that has met the queue's limit, and has permits of it in advance. */
async function openBorrower({ queueMany, key }: Queue) {
  const workerId = await makeWorker(db);
  const [first] = await claimRuns(store, workerId, await queueMany(1));
  await borrowPermits(store, workerId);
  assert.deepEqual(await lentTo(workerId), [{ key, count: LENT }]);
  return { workerId, first: first! };
}

async function lentTo(workerId: string) {
  const { rows } = await sql`SELECT key, count FROM lent_permits WHERE worker_id = ${workerId}`.execute(db);
  return rows;
}

async function permitsOf(runs: { id: string }[]) {
  const { rows } = await sql<{ permits: string[] | null }>`
    SELECT permits FROM task_runs_open WHERE id = ANY(${runs.map(({ id }) => id)}::uuid[])`.execute(db);
  return rows.map(({ permits }) => permits);
}

const end = (workerId: string, runs: ClaimedRun[]) =>
  finishAttempts(
    store,
    workerId,
    runs.map((run) => ({ ...finished(run, workerId, { state: "succeeded", result: null }), lent: run.lent })),
  );

test("runs start and end by them without a permit of their own, and the limit's row is not written", async () => {
  const queue = await openQueue();
  const { workerId, first } = await openBorrower(queue);
  assert.deepEqual(await permitsOf([first]), [[queue.key]]);
  assert.equal(await queue.held(), 1 + LENT);
  const row = () => sql`SELECT xmin::text, ctid::text FROM run_limits WHERE key = ${queue.key}`.execute(db);
  const before = (await row()).rows;
  const byId = await claimRuns(store, workerId, await queue.queueMany(3));
  await queue.queueMany(3);
  const { runs: byAge } = await claimDueRuns(store, workerId, 10, 0);
  const runs = [...byId, ...byAge];
  assert.equal(runs.length, 6);
  assert.ok(runs.every(({ holdsPermits, queueKey }) => !holdsPermits && queueKey === queue.key));
  assert.deepEqual(await permitsOf(runs), Array(6).fill(null));
  assert.deepEqual(await recountPermits(store), []);
  const { ended } = await end(workerId, runs);
  assert.equal(ended.length, 6);
  assert.deepEqual((await row()).rows, before);
});

test("a worker never has more runs by them than it was lent", async () => {
  const queue = await openQueue();
  const { workerId } = await openBorrower(queue);
  const [one] = await claimRuns(store, workerId, await queue.queueMany(1));
  const many = await claimRuns(store, workerId, await queue.queueMany(LENT));
  assert.equal(many.length, LENT);
  assert.ok(
    many.every(({ holdsPermits }) => holdsPermits),
    "for so many there are not enough left",
  );
  assert.equal(await queue.held(), 1 + LENT + LENT);
  await end(workerId, [one!]);
  const [last] = await claimRuns(store, workerId, await queue.queueMany(1));
  assert.ok(last!.holdsPermits, "claims that have met a limit expect more of them");
});

test("where few are left they are called back: all that may run does, and no more", async () => {
  const queue = await openQueue();
  const { workerId } = await openBorrower(queue);
  const byLent = await claimRuns(store, workerId, await queue.queueMany(10));
  const other = await makeWorker(db);
  const waiting = await queue.queueMany(FAR);
  const rest = await claimRuns(store, other, waiting);
  assert.equal(1 + byLent.length + rest.length, FAR);
  assert.deepEqual(await lentTo(workerId), []);
  assert.deepEqual(await permitsOf(byLent), Array(10).fill([queue.key]));
  assert.equal(await queue.held(), FAR);
  assert.deepEqual(await claimRuns(store, workerId, await queue.queueMany(1)), []);
  // They were begun without one, and end with one.
  const { ended } = await end(workerId, byLent);
  assert.deepEqual([...new Set(ended.flatMap(({ wantedKeys }) => wantedKeys ?? []))], [queue.key]);
  assert.equal((await grantPermits(store, [queue.key])).length, 10);
});

test("who waits in line gets what workers have in advance", async () => {
  const queue = await openQueue();
  const { workerId } = await openBorrower(queue);
  await queue.queueMany(1);
  await sql`UPDATE task_runs_open SET waiting_for = 'concurrency', waiting_key = ${queue.key}, room = 'awaited', turn = 0
    WHERE state = 'queued'`.execute(db);
  await sql`UPDATE run_limits SET has_waiting = true, permits_held = ${FAR} WHERE key = ${queue.key}`.execute(
    db,
  );
  await sql`UPDATE lent_permits SET count = ${FAR - 1}`.execute(db);
  assert.equal((await grantPermits(store, [queue.key])).length, 1);
  assert.deepEqual(await lentTo(workerId), []);
});

describe("a change of the limit holds from its answer on", () => {
  for (const [name, change] of [
    ["lower", ({ put }: Queue) => put({ concurrency: 1 })],
    ["paused", ({ namespaceId }: Queue) => pauseQueue(store, namespaceId, "mail", UNTIL_RESUMED)],
    ["a rate", ({ put }: Queue) => put({ rate: { limit: 1, perMs: 3_600_000, burst: null } })],
    ["per key", ({ put }: Queue) => put({ concurrency: 1, perKey: { concurrency: 1, rate: null } })],
  ] as const)
    test(name, async () => {
      const queue = await openQueue();
      const { workerId } = await openBorrower(queue);
      const byLent = await claimRuns(store, workerId, await queue.queueMany(2));
      await change(queue);
      assert.deepEqual(await lentTo(workerId), []);
      assert.deepEqual(await permitsOf(byLent), Array(2).fill([queue.key]));
      const runs = await claimRuns(store, workerId, await queue.queueMany(3));
      assert.equal(runs.length, name === "a rate" ? 1 : 0);
    });

  test("also where whoever changed it died before it was answered", async () => {
    const queue = await openQueue();
    const { workerId } = await openBorrower(queue);
    await sql`UPDATE run_limits SET concurrency = 1 WHERE key = ${queue.key}`.execute(db);
    assert.deepEqual(await claimRuns(store, workerId, await queue.queueMany(1)), []);
    assert.equal(await queue.held(), 1);
  });

  test("a limit that is gone holds for nobody", async () => {
    const queue = await openQueue();
    const { workerId, first } = await openBorrower(queue);
    await queue.put({});
    const runs = await claimRuns(store, workerId, await queue.queueMany(2));
    assert.equal(runs.length, 2);
    await end(workerId, [first, ...runs]);
    await removeQueue(store, queue.namespaceId, "mail");
    assert.deepEqual(await lentTo(workerId), []);
  });
});

test("who calls them back waits for the claims and ends under way, and counts what they leave", async () => {
  const queue = await openQueue();
  const { workerId } = await openBorrower(queue);
  const [kept, ending] = await claimRuns(store, workerId, await queue.queueMany(2));
  const claiming = await store.pool.connect();
  const recording = await store.pool.connect();
  await claiming.query("BEGIN");
  await claiming.query("SELECT FROM lent_permits FOR KEY SHARE");
  await recording.query("BEGIN");
  await recording.query("DELETE FROM task_runs_open WHERE id = $1", [ending!.id]);
  const calledBack = callBackPermits(store, [queue.key]);
  await untilBlocked(store);
  assert.equal(await queue.held(), 1 + LENT);
  const [started] = await queue.queueMany(1);
  await claiming.query(
    "UPDATE task_runs_open SET state = 'running', worker_id = $2, started_at = now() WHERE id = $1",
    [started, workerId],
  );
  await claiming.query("COMMIT");
  claiming.release();
  await untilBlocked(store);
  await recording.query("COMMIT");
  recording.release();
  await calledBack;
  assert.deepEqual(await permitsOf([kept!, { id: started! }]), Array(2).fill([queue.key]));
  assert.equal(await queue.held(), 3);
});

test("a run that is completed later keeps its part of them", async () => {
  const queue = await openQueue();
  const { workerId } = await openBorrower(queue);
  const [run, other] = await claimRuns(store, workerId, await queue.queueMany(2));
  await finishAttempts(store, workerId, [
    { ...deferred(run!, workerId, new Date(Date.now() + 60_000)), lent: run!.lent },
  ]);
  assert.deepEqual(
    run!.lent!.map(({ left }) => left),
    [LENT - 2],
  );
  await releaseRuns(store, workerId, [other!]);
  assert.deepEqual(
    run!.lent!.map(({ left }) => left),
    [LENT - 1],
  );
  await callBackPermits(store, [queue.key]);
  assert.deepEqual(await permitsOf([run!]), [[queue.key]]);
  await cancelRuns(store, queue.namespaceId, { runId: run!.id });
  assert.equal(await queue.held(), 1);
});

test("those of a worker that is gone are called back", async () => {
  const queue = await openQueue();
  const { workerId } = await openBorrower(queue);
  const runs = await claimRuns(store, workerId, await queue.queueMany(2));
  assert.equal(await callBackUnused(store, 10), 0);
  await sql`DELETE FROM workers WHERE id = ${workerId}`.execute(db);
  assert.equal(await callBackUnused(store, 10), 1);
  assert.deepEqual(await permitsOf(runs), Array(2).fill([queue.key]));
  assert.equal(await queue.held(), 3);
});

describe("none are lent", () => {
  const refused: Record<string, Partial<QueueLimits>> = {
    "of a limit that is near": { concurrency: 2 * LENT - 1 },
    "of a rate": { concurrency: FAR, rate: { limit: 1_000, perMs: 1_000, burst: null } },
    "of a queue with limits for each key": { concurrency: FAR, perKey: { concurrency: 1, rate: null } },
  };
  for (const [name, limits] of Object.entries(refused))
    test(name, async () => {
      const { key } = await openQueue(limits);
      assert.deepEqual(await lendPermits(store, await makeWorker(db), [key]), []);
      const { rows } = await sql`SELECT FROM lent_permits`.execute(db);
      assert.equal(rows.length, 0);
    });

  test("where runs wait, or it is paused", async () => {
    const { key, namespaceId } = await openQueue();
    const workerId = await makeWorker(db);
    await sql`UPDATE run_limits SET has_waiting = true`.execute(db);
    assert.deepEqual(await lendPermits(store, workerId, [key]), []);
    await sql`UPDATE run_limits SET has_waiting = false`.execute(db);
    await pauseQueue(store, namespaceId, "mail", UNTIL_RESUMED);
    assert.deepEqual(await lendPermits(store, workerId, [key]), []);
  });

  test("beyond a half of the limit", async () => {
    const { key } = await openQueue();
    const [first] = await lendPermits(store, await makeWorker(db), [key]);
    assert.equal(first?.count, LENT);
    assert.deepEqual(await lendPermits(store, await makeWorker(db), [key]), []);
  });
});
