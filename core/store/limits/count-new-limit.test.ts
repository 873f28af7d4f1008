/** What happens between the moment in which a limit is made and that in which what was under way is counted. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { type Clock, systemClock } from "../../clock.ts";
import { DEFAULT_QUEUE, queueKey } from "../../domain/limit-keys.ts";
import { NO_LIMITS, type QueueLimits } from "../../domain/queue.ts";
import { putQueue } from "../queues/queues.ts";
import { claimRuns } from "../runs/claim.ts";
import { type GivenTask, makeWorker, queueRun } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { admitRuns } from "./admit-runs.ts";
import { countNewLimit } from "./count-new-limit.ts";
import { grantPermits } from "./grant-permits.ts";
import { saveQueueLimit } from "./queue-limits.ts";
import { recountPermits, recountReturned } from "./recount-permits.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(async () => {
  await clear();
  await sql`DELETE FROM run_limits`.execute(db);
});

const NAME = "mail";

async function openQueue(name = NAME) {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  return {
    ...{ namespaceId, workerId, key: queueKey(namespaceId, name) },
    queue: (given: GivenTask = {}) => queueRun(store, namespaceId, { queue: name, ...given }),
    /** Makes the limit, and counts nothing; whether it is to be counted. */
    limit: (given: Partial<QueueLimits>) =>
      inTransaction(store.pool, (tx) =>
        saveQueueLimit(tx.db, {
          ...{ namespaceId, name, pausedUntil: null },
          limits: { ...NO_LIMITS, ...given },
        }),
      ),
    claim: async (...runIds: string[]) => (await claimRuns(store, workerId, runIds)).map(({ id }) => id),
  };
}

/** On it a count waits for as long as `wait` does, however long that takes, at each look at what is under way. */
const waiting = (wait: () => Promise<unknown>): Clock => ({
  ...systemClock,
  steadyMs: () => 0,
  sleep: async () => {
    await wait();
  },
});

const limitRows = async () => (await sql`SELECT key FROM run_limits`.execute(db)).rows;

/** Between the statements of a decision on `runId`, that one is changed and counted; what it has started. */
async function limitBetween(
  { key, workerId, limit }: Awaited<ReturnType<typeof openQueue>>,
  runId: string,
  keys: string[],
  given: Partial<QueueLimits>,
): Promise<string[]> {
  const [looked, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let counting: Promise<void> | undefined;
  const clock = waiting(() => {
    looked.resolve();
    return goOn.promise;
  });
  const connect = async () => {
    const client = await store.pool.connect();
    const query = async (statement: { name?: string }, values?: unknown[]) => {
      const answer = await client.query(statement as never, values);
      if (statement.name === "look-at-line") {
        await limit(given);
        counting = countNewLimit(store, key, clock);
        await Promise.race([looked.promise, counting]);
      }
      return answer;
    };
    return Object.create(client, { query: { value: query } });
  };
  const limiting = { ...store, pool: Object.create(store.pool, { connect: { value: connect } }) };
  const started = await admitRuns(limiting, { workerId, longestMs: null }, [{ id: runId, keys }]);
  goOn.resolve();
  await counting;
  return started.map(({ id }) => id);
}

test("a decision that is between its two statements is waited for, and what it starts is counted", async () => {
  const opened = await openQueue();
  const { key, queue, claim } = opened;
  const [one, two] = [await queue(), await queue()];
  assert.deepEqual(await limitBetween(opened, one, [key], { concurrency: 1 }), [one]);
  assert.deepEqual(await claim(two), []);
  assert.deepEqual(await recountPermits(store), []);
});

test("a queue that has limits per key from now on starts nobody until its keys are counted", async () => {
  const { queue, limit, claim, key } = await openQueue();
  const ofAda = { concurrencyKey: "ada" };
  await limit({ concurrency: 5 });
  await countNewLimit(store, key);
  const [first, second, none] = [await queue(ofAda), await queue(ofAda), await queue()];
  assert.deepEqual(await claim(first), [first]);
  const perKey = { concurrency: 1, rate: null };
  assert.equal(await limit({ concurrency: 5, perKey }), true);
  assert.deepEqual(await claim(second, none), []);
  assert.deepEqual(await grantPermits(store, [key]), []);
  await countNewLimit(store, key);
  assert.deepEqual(
    (await grantPermits(store, [key])).map(({ runId }) => runId),
    [none],
  );
  assert.deepEqual(await recountPermits(store), []);
  assert.equal(await limit({ concurrency: 6, perKey }), false, "they are counted");
});

test("nobody else opens the limit before: no recount, no end of a run, no other limit", async () => {
  const { key, queue, limit, claim } = await openQueue();
  const [one, two] = [await queue(), await queue()];
  assert.equal(await limit({ concurrency: 1 }), true);
  assert.deepEqual(await recountPermits(store), []);
  await recountReturned(store, [key]);
  assert.deepEqual(await claim(one), []);
  assert.equal(await limit({ concurrency: 5 }), true, "it is to be counted still");
  assert.deepEqual(await claim(two), []);
  await countNewLimit(store, key);
  assert.equal(await limit({ concurrency: 4 }), false);
  assert.equal((await grantPermits(store, [key])).length, 2);
});

test("the recount opens it where whoever made it has crashed", async () => {
  const { key, queue, limit, claim } = await openQueue();
  const runId = await queue();
  await limit({ concurrency: 1 });
  assert.deepEqual(await claim(runId), []);
  await sql`UPDATE run_limits SET uncounted_until = uncounted_until - interval '10 seconds'`.execute(db);
  assert.deepEqual(await recountPermits(store), [{ key, before: 1, after: 0 }]);
});

test("limits per key that are taken back meanwhile leave no row", async () => {
  const { namespaceId, key, queue, limit, claim } = await openQueue();
  const ofAda = { concurrencyKey: "ada" };
  const first = await queue(ofAda);
  assert.deepEqual(await claim(first), [first]);
  await limit({ perKey: { concurrency: 1, rate: null } });
  const held = await store.pool.connect();
  await held.query("BEGIN");
  let looks = 0;
  const clock = waiting(async () => {
    looks += 1;
    await putQueue(store, namespaceId, NAME, { limits: NO_LIMITS });
    await held.query("ROLLBACK");
  });
  await countNewLimit(store, key, clock);
  held.release();
  assert.ok(looks > 0);
  assert.deepEqual(await limitRows(), []);
  const next = await queue(ofAda);
  assert.deepEqual(await claim(next), [next]);
});

test("a key that a run waits for meanwhile counts what is under way, too", async () => {
  const { key, queue, limit, claim } = await openQueue();
  const ofAda = { concurrencyKey: "ada" };
  const [first, second] = [await queue(ofAda), await queue(ofAda)];
  assert.deepEqual(await claim(first), [first]);
  await limit({ perKey: { concurrency: 1, rate: null } });
  assert.deepEqual(await claim(second), []);
  await countNewLimit(store, key);
  assert.deepEqual(await grantPermits(store, [key]), []);
  assert.deepEqual(await recountPermits(store), []);
});

test("a limit of default that is set again before its line is empty counts who started meanwhile", async () => {
  const { key, queue, limit, claim } = await openQueue(DEFAULT_QUEUE);
  await limit({ concurrency: 1 });
  await countNewLimit(store, key);
  const [first, waits, free] = [await queue(), await queue(), await queue()];
  assert.deepEqual(await claim(first), [first]);
  assert.deepEqual(await claim(waits), []);
  assert.equal(await limit({}), false);
  assert.deepEqual(await claim(free), [free]);
  assert.equal(await limit({ concurrency: 2 }), true);
  assert.deepEqual(await grantPermits(store, [key]), []);
  await countNewLimit(store, key);
  assert.deepEqual(await grantPermits(store, [key]), [], "two run");
  assert.deepEqual(await recountPermits(store), []);
});
