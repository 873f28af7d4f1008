/** Starts of a rate are taken ahead of their instants, by the database's clock, which is the test's. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createClockedDatabase, setDatabaseClock } from "../../../test/support/clocked-database.ts";
import { queueKey } from "../../domain/limit-keys.ts";
import { NO_LIMITS, type QueueLimits } from "../../domain/queue.ts";
import { START_AHEAD_MS } from "../../domain/rate.ts";
import { putQueue } from "../queues/queues.ts";
import { claimRuns } from "../runs/claim.ts";
import { type GivenTask, makeWorker, queueRun } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { findRatedKeys } from "./find-grantable.ts";
import { grantPermits } from "./grant-permits.ts";

const { store, db, newNamespace, clear } = await openTestStore(createClockedDatabase);
beforeEach(clear);

const INTERVAL_MS = 150;
const rate = (burst: number) => ({ limit: 1, perMs: INTERVAL_MS, burst });

async function openQueue(limits: Partial<QueueLimits>) {
  const namespaceId = await newNamespace();
  const beganMs = Date.now();
  const setClock = (ms: number) => setDatabaseClock(store, new Date(beganMs + ms));
  await setClock(0);
  await putQueue(store, namespaceId, "mail", { limits: { ...NO_LIMITS, ...limits } });
  const workerId = await makeWorker(db);
  const key = queueKey(namespaceId, "mail");
  return {
    ...{ key, setClock },
    async queueMany(count: number, given: GivenTask = {}): Promise<string[]> {
      const runIds: string[] = [];
      for (let index = 0; index < count; index += 1)
        runIds.push(await queueRun(store, namespaceId, { queue: "mail", ...given }));
      return runIds;
    },
    /** When each starts, and how long it is until then. */
    async claim(runIds: string[]): Promise<[startsMs: number, inMs: number][]> {
      const runs = await claimRuns(store, workerId, runIds);
      return runs
        .map(({ startedAt, startsInMs = 0 }): [number, number] => [startedAt.getTime() - beganMs, startsInMs])
        .sort(([a], [b]) => a - b);
    },
    callUp: async () => (await grantPermits(store, [key])).map(({ runId }) => runId),
    looks: async () => await findRatedKeys(store, 10),
  };
}

test("of a bucket of one start those within a moment are taken at once, each at its instant", async () => {
  const { queueMany, claim } = await openQueue({ rate: rate(1) });
  assert.deepEqual(await claim(await queueMany(5)), [
    [0, 0],
    [INTERVAL_MS, INTERVAL_MS],
  ]);
});

test("the next is called up a moment ahead, and starts at its instant however late it is claimed until then", async () => {
  const { key, queueMany, claim, callUp, looks, setClock } = await openQueue({ rate: rate(1) });
  await claim(await queueMany(5));
  const due = 2 * INTERVAL_MS;
  assert.deepEqual(await callUp(), []);
  assert.deepEqual(await looks(), [{ key, waitMs: due - START_AHEAD_MS }]);
  await setClock(due - START_AHEAD_MS);
  assert.deepEqual(await looks(), [{ key, waitMs: 0 }]);
  const called = await callUp();
  assert.equal(called.length, 1);
  await setClock(due - 30);
  assert.deepEqual(await claim(called), [[due, 30]]);
});

test("one that is claimed after its instant starts then, and the next an interval later", async () => {
  const { queueMany, claim, callUp, setClock } = await openQueue({ rate: rate(1) });
  await claim(await queueMany(5));
  await setClock(500);
  const called = await callUp();
  await setClock(537);
  assert.deepEqual(await claim(called), [
    [537, 0],
    [537 + INTERVAL_MS, INTERVAL_MS],
  ]);
});

test("what a larger bucket gets back meanwhile fits into it: nothing is taken ahead", async () => {
  const { queueMany, claim, callUp, setClock } = await openQueue({ rate: rate(3) });
  assert.deepEqual(
    await claim(await queueMany(8)),
    [0, 0, 0].map((at) => [at, 0]),
  );
  await setClock(INTERVAL_MS - 1);
  assert.deepEqual(await callUp(), []);
  await setClock(INTERVAL_MS);
  assert.equal((await callUp()).length, 1);
});

test("a run that needs starts of two rates starts when it has both", async () => {
  const { queueMany, claim } = await openQueue({
    rate: rate(1),
    perKey: { concurrency: null, rate: { limit: 1, perMs: 180, burst: 1 } },
  });
  await claim(await queueMany(1, { rateKey: "ada" }));
  assert.deepEqual(await claim(await queueMany(1, { rateKey: "ada" })), [[180, 180]]);
  assert.deepEqual(await claim(await queueMany(1, { rateKey: "bob" })), []);
});
