import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import { NO_LIMITS, UNTIL_RESUMED } from "../domain/queue.ts";
import { glanceAtDemand, readDemand, totalDemand } from "./demand.ts";
import { newId } from "./ids.ts";
import { grantPermits } from "./limits/grant-permits.ts";
import { BITE, lineUpPaused } from "./limits/line-up-paused.ts";
import { pauseQueue, putQueue } from "./queues/queues.ts";
import { claimRuns } from "./runs/claim.ts";
import { CLAIMABLE } from "./runs/claimable.ts";
import { finishAttempts } from "./runs/finish.ts";
import { createTask } from "./tasks/create.ts";
import {
  deployFunction,
  finished,
  httpTask,
  makeWorker,
  queueInvocation,
  queueRun,
  retryAfter,
  startRun,
} from "./testing/samples.ts";
import { openTestStore } from "./testing/test-store.ts";
import { tellWaitingCallers } from "./waiting-callers.ts";
import { renewLease } from "./workers.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

const NOTHING = {
  ...{ dueRuns: 0, runningRuns: 0, busySlots: 0, busyLongSlots: 0, waitingCallers: 0, upcomingRuns: 0 },
};

test("nothing wants a worker where nothing waits, runs or comes", async () => {
  await makeWorker(db);
  assert.deepEqual(await readDemand(store, 60_000), NOTHING);
});

test("what is due, what runs, and slots that direct calls hold are told apart", async () => {
  const namespaceId = await newNamespace();
  await queueRun(store, namespaceId);
  await queueRun(store, namespaceId);
  await startRun(store, namespaceId, await makeWorker(db));
  await renewLease(db, { id: newId(), host: "h", pid: 1, slots: 10, busy: 4 }, 60_000, false);
  await renewLease(db, { id: newId(), host: "h", pid: 2, slots: 10, busy: 7 }, -1_000, false);
  const demand = await readDemand(store, 0);
  assert.deepEqual(demand, { ...NOTHING, dueRuns: 2, runningRuns: 1, busySlots: 4 });
  assert.equal(totalDemand(demand), 6);
});

test("what workers for long runs have is told apart", async () => {
  const long = { host: "h", pid: 1, slots: 10, receive: "long-runs" };
  await renewLease(db, { ...long, id: newId(), busy: 3 }, 60_000, false);
  await renewLease(db, { ...long, id: newId(), busy: 2 }, 60_000, true);
  await renewLease(db, { ...long, id: newId(), busy: 9 }, -1_000, false);
  await renewLease(db, { ...long, id: newId(), busy: 4, receive: "events" }, 60_000, false);
  assert.deepEqual(await readDemand(store, 0), { ...NOTHING, busySlots: 7, busyLongSlots: 3 });
});

test("the last word of a draining worker tells of no slots, and its runs count: it may give them back", async () => {
  const namespaceId = await newNamespace();
  const id = await makeWorker(db);
  await startRun(store, namespaceId, id);
  await renewLease(db, { id, host: "h", pid: 1, slots: 10, busy: 3 }, 60_000, true);
  assert.deepEqual(await readDemand(store, 0), { ...NOTHING, runningRuns: 1 });
});

test("callers that APIs hold are counted as long as that was told for, and no longer once they are gone", async () => {
  const [one, other] = [newId(), newId()];
  await tellWaitingCallers(store, one, 2, 60_000);
  await tellWaitingCallers(store, other, 3, 60_000);
  await tellWaitingCallers(store, newId(), 50, -1_000);
  const demand = await readDemand(store, 0);
  assert.deepEqual([demand.waitingCallers, totalDemand(demand)], [5, 5]);
  await tellWaitingCallers(store, one, 4, 60_000);
  await tellWaitingCallers(store, other, 0, 60_000);
  assert.deepEqual(await readDemand(store, 0), { ...NOTHING, waitingCallers: 4 });
});

test("what an API told that is gone for a minute is removed by the next that holds nobody", async () => {
  await tellWaitingCallers(store, newId(), 2, -30_000);
  await tellWaitingCallers(store, newId(), 3, -61_000);
  await tellWaitingCallers(store, newId(), 0, 0);
  const rows = await db.selectFrom("waiting_callers").select("callers").execute();
  assert.deepEqual(rows, [{ callers: 2 }]);
});

test("what comes within the time asked for is counted: tasks, staged runs and retries", async () => {
  const namespaceId = await newNamespace();
  const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
  for (const ms of [50_000, 100_000, 1_200_000])
    await createTask(store, {
      namespaceId,
      input: httpTask({ kind: "once", at: inMs(ms) }),
      now: new Date(),
    });
  const staged = await queueRun(store, namespaceId);
  await sql`UPDATE task_runs_open SET available_at = now() + interval '30 seconds' WHERE id = ${staged}`.execute(
    db,
  );
  const workerId = await makeWorker(db);
  const run = await startRun(store, namespaceId, workerId);
  await finishAttempts(store, workerId, [finished(run, workerId, retryAfter(200_000))]);
  assert.equal((await readDemand(store, 600_000)).upcomingRuns, 4);
  assert.equal((await readDemand(store, 60_000)).upcomingRuns, 2);
  assert.deepEqual(await readDemand(store, 10_000), NOTHING);
});

test("a glance looks for the next instant only for who can rest until then", async () => {
  const namespaceId = await newNamespace();
  const at = new Date(Date.now() + 100_000);
  const input = httpTask({ kind: "once", at: at.toISOString() });
  await createTask(store, { namespaceId, input, now: new Date() });
  const glance = async (aheadMs: number) => {
    const { isAny, hasServing, nextAt } = await glanceAtDemand(store, aheadMs);
    return { isAny, hasServing, nextAt };
  };
  assert.deepEqual(await glance(60_000), { isAny: false, hasServing: false, nextAt: at });
  assert.deepEqual(await glance(200_000), { isAny: true, hasServing: false, nextAt: null });
  await makeWorker(db);
  assert.deepEqual(await glance(60_000), { isAny: false, hasServing: true, nextAt: null });
});

test("what stands in a paused queue wants no worker until the pause is over", async () => {
  const namespaceId = await newNamespace();
  const limits = NO_LIMITS;
  await putQueue(store, namespaceId, "mail", { limits, pausedUntil: UNTIL_RESUMED });
  await queueRun(store, namespaceId, { queue: "mail" });
  const input = httpTask({ kind: "every", everyMs: 10_000 }, { queue: "mail" });
  await createTask(store, { namespaceId, input, now: new Date() });
  assert.deepEqual(await readDemand(store, 60_000), NOTHING);
  await pauseQueue(store, namespaceId, "mail", new Date(Date.now() + 40_000));
  assert.deepEqual(await readDemand(store, 20_000), NOTHING);
  assert.deepEqual(await readDemand(store, 60_000), { ...NOTHING, upcomingRuns: 1 });
  await pauseQueue(store, namespaceId, "mail", null);
  assert.deepEqual(await readDemand(store, 60_000), { ...NOTHING, dueRuns: 1, upcomingRuns: 1 });
  await putQueue(store, namespaceId, "default", { limits, pausedUntil: UNTIL_RESUMED });
  await queueRun(store, namespaceId);
  assert.equal((await readDemand(store, 0)).dueRuns, 1);
});

test("a backlog of a paused queue comes into its line in bites: whoever wants the queue waits for one of them", async () => {
  const namespaceId = await newNamespace();
  await putQueue(store, namespaceId, "mail", { limits: NO_LIMITS, pausedUntil: UNTIL_RESUMED });
  await Promise.all(Array.from({ length: BITE + 1 }, () => queueRun(store, namespaceId, { queue: "mail" })));
  let transactions = 0;
  const pool = Object.create(store.pool, {
    connect: {
      value: () => {
        transactions += 1;
        return store.pool.connect();
      },
    },
  });
  const query = store.pool.query.bind(store.pool);
  assert.equal(await lineUpPaused({ pool: Object.assign(pool, { query }) }, 10), BITE + 1);
  assert.equal(transactions, 2);
});

test("a backlog of paused queues is no part of what is looked through once the scheduler has seen it", async () => {
  const namespaceId = await newNamespace();
  for (const name of ["mail", "default", "open"])
    await putQueue(store, namespaceId, name, {
      limits: NO_LIMITS,
      pausedUntil: name === "open" ? null : UNTIL_RESUMED,
    });
  const runIds: string[] = [];
  for (const given of [{ queue: "mail", concurrencyKey: "ada" }, { queue: "mail" }, {}])
    runIds.push(await queueRun(store, namespaceId, given));
  const open = await queueRun(store, namespaceId, { queue: "open" });
  assert.equal(await lineUpPaused(store, 10), 3);
  assert.equal(await lineUpPaused(store, 10), 0);
  const claimable = await sql<{ id: string }>`
    SELECT id FROM task_runs_open WHERE ${sql.raw(CLAIMABLE)}`.execute(db);
  assert.deepEqual(claimable.rows, [{ id: open }]);
  assert.deepEqual(await readDemand(store, 60_000), { ...NOTHING, dueRuns: 1 });
  for (const name of ["mail", "default"]) {
    const { freedKeys } = (await pauseQueue(store, namespaceId, name, null))!;
    await grantPermits(store, freedKeys);
  }
  const claimed = await claimRuns(store, await makeWorker(db), runIds);
  assert.deepEqual(claimed.map(({ id }) => id).sort(), runIds.sort());
});

test("a run that waits for a permit of its function's limit wants no worker", async () => {
  const namespaceId = await newNamespace();
  await deployFunction(db, namespaceId, "single", { concurrency: 1 });
  const [first, second] = [
    await queueInvocation(store, namespaceId, "single"),
    await queueInvocation(store, namespaceId, "single"),
  ];
  await claimRuns(store, await makeWorker(db), [first, second]);
  assert.deepEqual(await readDemand(store, 60_000), { ...NOTHING, runningRuns: 1 });
});
