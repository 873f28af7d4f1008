/** The limit of runs at once of a whole namespace: whatever they run, in whatever queue they stand. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { namespaceKey, queueKey } from "../../domain/limit-keys.ts";
import { type NamespaceLimits, NO_NAMESPACE_LIMITS } from "../../domain/namespace-limits.ts";
import { NO_LIMITS, type QueueLimits } from "../../domain/queue.ts";
import type { LeaseJudge } from "../contact.ts";
import { findCallableFunction } from "../functions/callable.ts";
import { saveNamespaceLimits } from "../namespace-limits.ts";
import { putQueue } from "../queues/queues.ts";
import { type ClaimedRun, claimRuns } from "../runs/claim.ts";
import { finishAttempts } from "../runs/finish.ts";
import { findRun } from "../runs/read.ts";
import { rescueLostRuns } from "../runs/rescue.ts";
import {
  ANY_TIME,
  claimDue,
  deployFunction,
  finished,
  makeWorker,
  queueInvocation,
  queueRun,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { findGrantableKeys } from "./find-grantable.ts";
import { grantPermits } from "./grant-permits.ts";
import {
  countUnderWay,
  saveNamespaceConcurrency,
  settleNamespaceConcurrency,
} from "./namespace-concurrency.ts";
import { recountPermits } from "./recount-permits.ts";
import { followSlots } from "./slots-shares.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(async () => {
  await clear();
  await sql`DELETE FROM run_limits`.execute(db);
  await sql`DELETE FROM queues`.execute(db);
});
/** Whatever happened: as many permits are out as runs hold. */
afterEach(async () => assert.deepEqual(await recountPermits(store), []));

const idsOf = (runs: { id: string }[]) => runs.map(({ id }) => id);

/** A namespace that may have so many runs at once. */
async function openNamespace(limit: number | null) {
  const namespaceId = await newNamespace();
  const { rows } = await store.pool.query("SELECT name FROM namespaces WHERE id = $1", [namespaceId]);
  const name = String(rows[0].name);
  const setLimits = async (limits: Partial<NamespaceLimits>) => {
    const saved = await saveNamespaceLimits(store, name, { ...NO_NAMESPACE_LIMITS, ...limits });
    return await settleNamespaceConcurrency(store, saved!);
  };
  const change = (concurrentRuns: number | null) => setLimits({ concurrentRuns });
  await change(limit);
  return {
    ...{ namespaceId, name, setLimits, change, key: namespaceKey(namespaceId) },
    putQueue: (queue: string, given: Partial<QueueLimits>) =>
      putQueue(store, namespaceId, queue, { limits: { ...NO_LIMITS, ...given } }),
    async queueMany(count: number, queue?: string): Promise<string[]> {
      const runIds: string[] = [];
      for (let index = 0; index < count; index += 1)
        runIds.push(await queueRun(store, namespaceId, queue === undefined ? {} : { queue }));
      return runIds;
    },
    waitingFor: async (runId: string) => (await findRun(store, namespaceId, runId))?.waitingFor,
  };
}

const grantable = async () =>
  (await grantPermits(store, await findGrantableKeys(store, 100))).map(({ runId }) => runId);

const end = async (workerId: string, runs: ClaimedRun[]) =>
  await finishAttempts(
    store,
    workerId,
    runs.map((run) => finished(run, workerId, { state: "succeeded", result: null })),
  );

test("it holds for tasks and calls in whatever queue, and the others say what they wait for", async () => {
  const workerId = await makeWorker(db);
  const { namespaceId, queueMany, putQueue: put, waitingFor } = await openNamespace(2);
  await put("mail", {});
  await deployFunction(db, namespaceId, "f");
  const runIds = [...(await queueMany(1)), ...(await queueMany(1, "mail"))];
  const call = await queueInvocation(store, namespaceId, "f");
  const claimed = await claimRuns(store, workerId, [...runIds, call]);
  assert.deepEqual(idsOf(claimed).sort(), runIds.toSorted());
  assert.equal(await waitingFor(call), "concurrency");
  await end(workerId, claimed.slice(0, 1));
  assert.deepEqual(await grantable(), [call]);
  assert.deepEqual(idsOf(await claimDue(store, workerId, 10, 0)), [call]);
});

test("no other namespace's runs count, or obey", async () => {
  const workerId = await makeWorker(db);
  const [one, other, free] = [await openNamespace(1), await openNamespace(1), await openNamespace(null)];
  const runIds = [...(await one.queueMany(2)), ...(await other.queueMany(2)), ...(await free.queueMany(3))];
  assert.equal((await claimRuns(store, workerId, runIds)).length, 5);
});

test("it holds beside the limits of queues: a run needs a permit of each", async () => {
  const workerId = await makeWorker(db);
  const { namespaceId, queueMany, putQueue: put, change } = await openNamespace(3);
  await put("mail", { concurrency: 1 });
  await put("default", { concurrency: 2 });
  const runIds = [...(await queueMany(3, "mail")), ...(await queueMany(3))];
  const claimed = await claimRuns(store, workerId, runIds);
  const queues = await Promise.all(
    claimed.map(async ({ id }) => (await findRun(store, namespaceId, id))!.queue),
  );
  assert.deepEqual(queues.sort(), ["default", "default", "mail"]);
  await change(2);
  await end(workerId, claimed);
  assert.equal((await grantable()).length, 2);
  await change(null);
  await grantPermits(store, [queueKey(namespaceId, "mail"), queueKey(namespaceId, "default")]);
  assert.equal((await claimDue(store, workerId, 10, 0)).length, 2, "those of the queues hold on");
});

test("limits per key of `default` are taken in the statement of the claim beside it", async () => {
  const workerId = await makeWorker(db);
  const { namespaceId, putQueue: put } = await openNamespace(2);
  await put("default", { perKey: { concurrency: 1, rate: null } });
  const keys = ["ada", "ada", "bob", "eve"];
  const runIds = await Promise.all(
    keys.map((concurrencyKey) => queueRun(store, namespaceId, { concurrencyKey })),
  );
  assert.equal((await claimRuns(store, workerId, runIds)).length, 2);
});

test("it is set while runs are queued and under way: they count, and obey", async () => {
  const workerId = await makeWorker(db);
  const { namespaceId, key, queueMany, change } = await openNamespace(null);
  const runIds = await queueMany(5);
  assert.equal((await claimRuns(store, workerId, runIds.slice(0, 2))).length, 2);
  await change(3);
  assert.equal((await claimRuns(store, workerId, runIds)).length, 1);
  assert.deepEqual(await countUnderWay(store, namespaceId, 10), { used: 3, isExact: true });
  assert.deepEqual(await countUnderWay(store, namespaceId, 2), { used: 2, isExact: false });
  assert.deepEqual(await grantPermits(store, await change(3)), [], "the same limit changes nothing");
  assert.equal((await grantPermits(store, await change(4))).length, 1);
  await change(3);
  assert.deepEqual(await claimDue(store, workerId, 10, 0), [], "whoever was granted more has it no more");
  assert.equal((await grantPermits(store, await change(null))).length, 2);
  assert.equal((await claimDue(store, workerId, 10, 0)).length, 2);
  const { rows } = await store.pool.query("SELECT FROM run_limits WHERE key = $1", [key]);
  assert.equal(rows.length, 0, "no row is left");
});

test("it is exact over workers that meet, and a lost worker's permits are free after the rescue", async () => {
  const { queueMany, putQueue: put } = await openNamespace(5);
  await put("mail", {});
  const runIds = [...(await queueMany(10)), ...(await queueMany(10, "mail"))];
  const workers = await Promise.all(Array.from({ length: 6 }, () => makeWorker(db)));
  const claims = workers.map((workerId, index) =>
    index % 2 === 0 ? claimRuns(store, workerId, runIds) : claimDue(store, workerId, 20, 0),
  );
  assert.equal((await Promise.all(claims)).flat().length, 5);
  await sql`UPDATE workers SET lease_until = now() - interval '1 minute'`.execute(db);
  await rescueLostRuns(store, new Date(), ANY_TIME, 100);
  assert.equal((await grantable()).length, 5);
});

test("calls of its functions go through the queue while it is set", async () => {
  const { namespaceId, name, change } = await openNamespace(null);
  await deployFunction(db, namespaceId, "f");
  const isLimited = async () => (await findCallableFunction(store, name, "f", false))!.isDefaultLimited;
  assert.equal(await isLimited(), false);
  await change(1);
  assert.equal(await isLimited(), true);
  await change(null);
  assert.equal(await isLimited(), false);
});

test("a share of the slots follows the workers that come and go, beside what is said outright", async () => {
  await sql`DELETE FROM workers`.execute(db);
  const { queueMany, setLimits, waitingFor, key } = await openNamespace(null);
  const findLimit = () =>
    db.selectFrom("run_limits").select("concurrency").where("key", "=", key).executeTakeFirstOrThrow();
  await setLimits({ slotsShare: 20 });
  const runIds = await queueMany(9);
  const workerId = await makeWorker(db);
  const [first, ...more] = await claimRuns(store, workerId, runIds);
  assert.deepEqual(
    [more.length, await waitingFor(runIds.find((id) => id !== first!.id)!)],
    [0, "concurrency"],
  );
  const follow = async (judge: LeaseJudge = ANY_TIME) => {
    let granted = 0;
    await followSlots(store, judge, async (keys) => {
      granted += (await grantPermits(store, keys)).length;
    });
    return granted;
  };
  assert.equal(await follow(), 1, "two of ten");
  assert.equal(await follow(), 0);
  await makeWorker(db);
  await makeWorker(db);
  assert.equal(
    await follow(),
    5 - 1,
    "six of thirty, one of which is under way, and one has its permit already",
  );
  await sql`UPDATE workers SET lease_until = lease_until - interval '1 day'`.execute(db);
  await follow({ mayJudge: () => false });
  assert.equal((await findLimit()).concurrency, 6, "after an outage it stays until leases may be judged");
  await sql`UPDATE workers SET lease_until = lease_until + interval '1 day'`.execute(db);
  await sql`UPDATE workers SET draining = true WHERE id <> ${workerId}`.execute(db);
  assert.equal(await follow(), 1, "two of ten again: the others were revoked");
  assert.equal((await claimDue(store, workerId, 10, 0)).length, 1);
  await sql`UPDATE workers SET draining = false`.execute(db);
  await setLimits({ slotsShare: 20, concurrentRuns: 3 });
  assert.equal(await follow(), 1, "no more than is said outright");
  assert.equal(await follow(), 0);
  await setLimits({});
  assert.equal(await follow(), 0);
});

test("a share that cannot be followed keeps no other from its turn", async () => {
  await sql`DELETE FROM workers`.execute(db);
  const namespaces = [await openNamespace(null), await openNamespace(null)];
  for (const { setLimits } of namespaces) await setLimits({ slotsShare: 50 });
  await makeWorker(db);
  const told: string[] = [];
  const follow = () =>
    followSlots(store, ANY_TIME, async ([key]) => {
      told.push(key!);
      if (told.length === 1) throw new Error("it is locked");
    });
  await assert.rejects(follow(), { message: "it is locked" });
  assert.deepEqual(told.toSorted(), namespaces.map(({ key }) => key).sort());
});

test("permits of a share that was lowered are taken back also where whoever lowered it is gone", async () => {
  await sql`DELETE FROM workers`.execute(db);
  const { namespaceId, queueMany, setLimits } = await openNamespace(null);
  const workerId = await makeWorker(db);
  await setLimits({ slotsShare: 50 });
  const claimed = await claimRuns(store, workerId, await queueMany(12));
  await end(workerId, claimed);
  assert.deepEqual([claimed.length, (await grantable()).length], [5, 5]);
  await saveNamespaceConcurrency(db, namespaceId, 2);
  await sql`UPDATE workers SET slots = 4`.execute(db);
  // Leases need not be judged for it: what took the one away may have been an outage.
  for (const judge of [{ mayJudge: () => false }, ANY_TIME])
    await followSlots(store, judge, (keys) => grantPermits(store, keys));
  assert.equal((await claimDue(store, workerId, 10, 0)).length, 2);
});

test("a change right after an outage takes no permits back, other than those that it says itself", async () => {
  await sql`DELETE FROM workers`.execute(db);
  const [shared, fresh] = [await openNamespace(null), await openNamespace(null)];
  await makeWorker(db);
  await shared.setLimits({ slotsShare: 50 });
  await sql`UPDATE workers SET lease_until = lease_until - interval '1 day'`.execute(db);
  const change = async ({ setLimits, key }: typeof shared, limits: Partial<NamespaceLimits>) => {
    await setLimits(limits);
    const { rows } = await store.pool.query("SELECT concurrency FROM run_limits WHERE key = $1", [key]);
    return rows[0].concurrency;
  };
  assert.equal(await change(shared, { slotsShare: 50, tasks: 10 }), 5);
  assert.equal(await change(fresh, { slotsShare: 50 }), 5);
  assert.equal(await change(shared, { slotsShare: 50, concurrentRuns: 4 }), 4);
  assert.equal(await change(shared, { slotsShare: 30 }), 3);
});
