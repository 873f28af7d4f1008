/** Rates of a real database under a stubbed clock: what a late start is worth to those that wait behind it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createClockedDatabase, setDatabaseClock } from "../../../test/support/clocked-database.ts";
import { LimitedRuns } from "../../../test/support/limited-runs.ts";
import { assertAsyncHolds } from "../../../test/support/properties.ts";
import { NO_LIMITS, type QueueLimits, UNTIL_RESUMED } from "../../domain/queue.ts";
import { takeStarts } from "../../domain/rate.ts";
import { openTestStore } from "../testing/test-store.ts";
import { findRatedKeys } from "./find-grantable.ts";
import { useRate, useRateOfLine } from "./permits.ts";

const testStore = await openTestStore(createClockedDatabase);
const { store } = testStore;
const TIMEOUT_MS = 5_000;
const TEN_A_SECOND = { limit: 10, perMs: 1_000, burst: 1 };

async function openQueue(limits: Partial<QueueLimits>) {
  const runs = await LimitedRuns.open(testStore, [store], 1);
  const put = (changed: Partial<QueueLimits>) => runs.put("mail", { ...NO_LIMITS, ...changed });
  await put(limits);
  /** After so much time: how many of those that come first start, or are called up and start. */
  const startAfter = async (ms: number) => {
    await runs.passTime(ms);
    await runs.job("rates");
    return (await runs.claimDue(0, 100)).length;
  };
  return {
    ...{ runs, put, startAfter },
    async arrive(count: number, rateKey: string | null = null) {
      for (let made = 0; made < count; made += 1)
        await runs.queueTask({ queue: "mail", concurrencyKey: null, rateKey, priority: 50 }, TIMEOUT_MS);
    },
    /** The same, and a millisecond later, and another one later. */
    startManyAfter: async (ms: number) => [await startAfter(ms), await startAfter(1), await startAfter(1)],
  };
}

describe("a start that is late", () => {
  test("puts off none of those that wait behind it", async () => {
    const { arrive, startAfter } = await openQueue({ rate: TEN_A_SECOND });
    await arrive(6);
    assert.equal(await startAfter(0), 1);
    assert.equal(await startAfter(180), 1, "80 ms late");
    assert.equal(await startAfter(19), 0);
    assert.equal(await startAfter(1), 1, "at its instant");
    assert.equal(await startAfter(199), 1, "99 ms late");
    assert.equal(await startAfter(1), 1);
    assert.equal(await startAfter(99), 0);
  });

  test("tells the scheduler the instants of the next", async () => {
    const { runs, arrive, startAfter } = await openQueue({ rate: TEN_A_SECOND });
    const key = runs.keyOf("mail");
    await arrive(4);
    await startAfter(0);
    assert.deepEqual(await findRatedKeys(store, 10), [{ key, waitMs: 100, nextMs: 200 }]);
    await runs.passTime(130);
    assert.deepEqual(await findRatedKeys(store, 10), [{ key, waitMs: 0, nextMs: 70 }]);
    await startAfter(0);
    assert.deepEqual(await findRatedKeys(store, 10), [{ key, waitMs: 70, nextMs: 170 }]);
  });

  test("of a bucket of many is called up with others that come back in a moment", async () => {
    const { runs, arrive, startAfter } = await openQueue({ rate: { limit: 100, perMs: 1_000, burst: 20 } });
    const key = runs.keyOf("mail");
    await arrive(30);
    assert.equal(await startAfter(0), 20);
    assert.deepEqual(await findRatedKeys(store, 10), [{ key, waitMs: 100, nextMs: 110 }]);
    assert.equal(await startAfter(100), 10);
    await runs.passTime(12);
    assert.deepEqual(await findRatedKeys(store, 10), [{ key, waitMs: 0, nextMs: 98 }]);
  });

  test("puts off none of the same key", async () => {
    const { arrive, startAfter } = await openQueue({ perKey: { concurrency: null, rate: TEN_A_SECOND } });
    await arrive(3, "ada");
    await arrive(3, "bob");
    assert.equal(await startAfter(0), 2);
    assert.equal(await startAfter(150), 2);
    assert.equal(await startAfter(50), 2);
  });

  test("is worth less than one start, and no more than a second, however long nobody came", async () => {
    const { put, arrive, startManyAfter } = await openQueue({ rate: { ...TEN_A_SECOND, burst: 2 } });
    await arrive(20);
    assert.deepEqual(await startManyAfter(0), [2, 0, 0]);
    assert.deepEqual(await startManyAfter(3_600_000), [2, 1, 0]);
    await put({ rate: { limit: 1, perMs: 60_000, burst: 2 } });
    await startManyAfter(3_600_000);
    assert.deepEqual(await startManyAfter(3_600_000), [2, 0, 0]);
    assert.deepEqual(await startManyAfter(58_996), [0, 0, 1], "a second was made up for");
  });
});

describe("an idle bucket gains nothing", () => {
  test("where nobody waits", async () => {
    const { runs, arrive, startAfter, startManyAfter } = await openQueue({ rate: TEN_A_SECOND });
    await arrive(2);
    await startAfter(0);
    assert.equal(await startAfter(150), 1);
    await runs.passTime(50);
    await runs.job("rates");
    await runs.passTime(3_600_000);
    await arrive(3);
    assert.deepEqual(await startManyAfter(0), [1, 0, 0]);
    assert.equal(await startAfter(97), 0);
    assert.equal(await startAfter(1), 1);
  });

  test("while its queue is paused, until an instant or until it is resumed", async () => {
    const { runs, put, arrive, startAfter, startManyAfter } = await openQueue({ rate: TEN_A_SECOND });
    await arrive(20);
    await startAfter(0);
    await runs.pause("mail", new Date(runs.now.getTime() + 60_000));
    assert.deepEqual(await startManyAfter(1_000), [0, 0, 0]);
    await runs.passTime(58_998);
    await runs.job("permits");
    assert.deepEqual(await startManyAfter(40), [1, 0, 0], "it was late by 40 ms");
    assert.equal(await startAfter(58), 1);
    await runs.pause("mail", UNTIL_RESUMED);
    await runs.passTime(60_000);
    await runs.pause("mail", null);
    assert.deepEqual(await startManyAfter(0), [1, 0, 0]);
    await runs.pause("mail", UNTIL_RESUMED);
    await runs.passTime(60_000);
    await put({ rate: TEN_A_SECOND });
    assert.deepEqual(await startManyAfter(0), [0, 0, 0], "a change of its limits does not resume it");
    await runs.pause("mail", null);
    assert.deepEqual(await startManyAfter(0), [1, 0, 0]);
  });

  test("of a key while its queue is paused", async () => {
    const { runs, arrive, startManyAfter } = await openQueue({
      perKey: { concurrency: null, rate: TEN_A_SECOND },
    });
    await arrive(9, "ada");
    await startManyAfter(0);
    await runs.pause("mail", UNTIL_RESUMED);
    await runs.passTime(60_000);
    await runs.pause("mail", null);
    assert.deepEqual(await startManyAfter(0), [1, 0, 0]);
  });

  test("by a change of its rate", async () => {
    const { put, arrive, startAfter, startManyAfter } = await openQueue({
      rate: { limit: 1, perMs: 1_000, burst: 1 },
    });
    await arrive(20);
    await startAfter(0);
    await put({ rate: TEN_A_SECOND });
    assert.equal(await startAfter(99), 0, "what was used of the one before is used of this one");
    assert.equal(await startAfter(1), 1);
    assert.deepEqual(await startManyAfter(98), [0, 0, 1]);
  });
});

test("the statements take starts as the decision says", async () => {
  const anyRow = fc.record({
    ...{
      intervalMs: fc.constantFrom(0.5, 10, 100, 60_000),
      fullInMs: fc.integer({ min: -90_000, max: 90_000 }),
    },
    ...{ count: fc.nat(5), hasWaiting: fc.boolean() },
    resumedMs: fc.option(fc.oneof(fc.nat(150), fc.nat(90_000))),
  });
  const runs = await LimitedRuns.open(testStore, [store], 0);
  const nowMs = runs.now.getTime();
  const key = runs.keyOf("mail");
  await assertAsyncHolds(
    anyRow,
    async ({ intervalMs, fullInMs, count, hasWaiting, resumedMs }) => {
      const fullAtMs = nowMs + fullInMs;
      await setDatabaseClock(store, runs.now);
      const read = async (setting: string) => {
        await store.pool.query("DELETE FROM run_limits");
        await store.pool.query(
          `INSERT INTO run_limits (key, namespace_id, concurrency, rate_interval_ms, rate_burst, rate_used_until_ms, has_waiting,
           paused_until) VALUES ($1, $2, 1, $3, 5, $4, $5, clock_timestamp() - $6 * interval '1 millisecond')`,
          [key, runs.namespaceId, intervalMs, fullAtMs, hasWaiting, resumedMs],
        );
        const { rows } = await store.pool.query<{ ms: number }>(
          `UPDATE run_limits l SET ${setting} FROM (SELECT $1::int AS count) AS n RETURNING rate_used_until_ms AS ms`,
          [count],
        );
        return rows[0]!.ms;
      };
      const bucket = { intervalMs, burst: 5, fullAtMs };
      const isNear = (ms: number, waitingSinceMs: number | null) => {
        const wanted = count === 0 ? fullAtMs : takeStarts(bucket, count, { nowMs, waitingSinceMs }).fullAtMs;
        assert.ok(Math.abs(ms - wanted) < 0.01, `${ms - nowMs}, not ${wanted - nowMs}`);
      };
      const sinceMs = resumedMs === null ? Number.NEGATIVE_INFINITY : nowMs - resumedMs;
      isNear(await read(useRateOfLine("n.count")), hasWaiting ? sinceMs : null);
      isNear(await read(useRate("n.count")), null);
    },
    60,
  );
  await store.pool.query("DELETE FROM run_limits");
});
