/** What a store expects of limits decides what its statements do, and never who may start. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { functionKey } from "../../domain/limit-keys.ts";
import { type ClaimedRun, claimRuns } from "../runs/claim.ts";
import { finishAttempts } from "../runs/finish.ts";
import {
  deployFunction,
  finished,
  makeWorker,
  queueInvocation,
  queueRun,
  wantedKeysOf,
} from "../testing/samples.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import {
  expectsFarLimits,
  expectsOneKey,
  NEAR_FOR,
  noteKeys,
  noteLimits,
  SEVERAL_FOR,
} from "./far-limits.ts";
import { findGrantableKeys } from "./find-grantable.ts";
import { foldAllReturned } from "./fold-returned.ts";
import { grantPermits } from "./grant-permits.ts";
import { PLENTY } from "./permits.ts";
import { recountPermits } from "./recount-permits.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);
/** Whatever happened: as many permits are out as runs hold. */
afterEach(async () => assert.deepEqual(await recountPermits(store), []));

function expect(outlook: "far" | "near"): void {
  noteLimits(store, false);
  if (outlook === "far") for (let ends = 0; ends < NEAR_FOR; ends += 1) noteLimits(store, true);
  assert.equal(expectsFarLimits(store), outlook === "far");
}

/** A function with a limit, a worker, and so many queued calls. */
async function prepare(concurrency: number, calls: number) {
  const namespaceId = await newNamespace();
  const key = functionKey(await deployFunction(db, namespaceId, "f", { concurrency }));
  const runIds: string[] = [];
  for (let made = 0; made < calls; made += 1) runIds.push(await queueInvocation(store, namespaceId, "f"));
  return { key, runIds, workerId: await makeWorker(db) };
}

const end = (workerId: string, runs: ClaimedRun[]) =>
  finishAttempts(
    store,
    workerId,
    runs.map((run) => finished(run, workerId, { state: "succeeded", result: null })),
  );

/** Those that are counted as held, and how many of them were given back. */
async function countPermits(key: string): Promise<{ held: number; returned: number }> {
  const { rows } = await sql<{ held: number; returned: number }>`
    SELECT permits_held AS held,
      (SELECT coalesce(sum(count), 0)::int FROM returned_permits b WHERE b.key = l.key) AS returned
    FROM run_limits l WHERE key = ${key}`.execute(db);
  return rows[0]!;
}

test("where limits are far off, what ends give back lies beside the count until the scheduler counts it off", async () => {
  const { key, runIds, workerId } = await prepare(1_000, 3);
  expect("far");
  for (const [index, id] of runIds.entries()) {
    const runs = await claimRuns(store, workerId, [id]);
    assert.equal(runs.length, 1);
    assert.deepEqual(await countPermits(key), { held: index + 1, returned: index });
    await end(workerId, runs);
  }
  await foldAllReturned(store, 10);
  assert.deepEqual(await countPermits(key), { held: 0, returned: 0 });
});

test("a limit that is near only by what lies beside its count is counted, and stays far off", async () => {
  const { key, runIds, workerId } = await prepare(4 * PLENTY, 2);
  await claimRuns(store, workerId, [runIds[0]!]);
  expect("far");
  const runs = await claimRuns(store, workerId, [runIds[1]!]);
  await sql`WITH laid AS (INSERT INTO returned_permits (key, count) VALUES (${key}, ${2 * PLENTY}))
    UPDATE run_limits SET permits_held = permits_held + ${2 * PLENTY} WHERE key = ${key}`.execute(db);
  await end(workerId, runs);
  assert.deepEqual(await countPermits(key), { held: 1, returned: 0 });
  assert.equal(expectsFarLimits(store), true);
});

test("one of which many permits are out indeed is near", async () => {
  const { key, runIds, workerId } = await prepare(4 * PLENTY, 1);
  expect("far");
  const runs = await claimRuns(store, workerId, runIds);
  await sql`UPDATE run_limits SET permits_held = permits_held + ${2 * PLENTY} WHERE key = ${key}`.execute(db);
  await end(workerId, runs);
  assert.deepEqual(await countPermits(key), { held: 2 * PLENTY, returned: 0 });
  assert.equal(expectsFarLimits(store), false);
  await sql`UPDATE run_limits SET permits_held = 0 WHERE key = ${key}`.execute(db);
});

test("a claim that finds too few permits left counts off what lies beside before anybody waits", async () => {
  const { key, runIds, workerId } = await prepare(PLENTY, 2);
  await sql`WITH laid AS (INSERT INTO returned_permits (key, count) VALUES (${key}, ${PLENTY}))
    UPDATE run_limits SET permits_held = ${PLENTY} WHERE key = ${key}`.execute(db);
  expect("far");
  // The first claim of a store meets limits and looks once more.
  for (const id of runIds) assert.equal((await claimRuns(store, workerId, [id])).length, 1);
  assert.deepEqual(await countPermits(key), { held: 2, returned: 0 });
});

test("an end that expected a limit to be far off hands on what it gives back where it is near", async () => {
  const { key, runIds, workerId } = await prepare(2, 5);
  const claimed = await claimRuns(store, workerId, runIds);
  assert.equal(claimed.length, 2);
  expect("far");
  const report = await end(workerId, claimed);
  assert.equal(report.recorded.size, 2);
  assert.deepEqual(wantedKeysOf(report.ended), [key]);
  assert.deepEqual(await countPermits(key), { held: 0, returned: 0 });
  assert.equal(expectsFarLimits(store), false);
  assert.equal((await grantPermits(store, [key])).length, 2);
});

test("what such an end could not count off is granted by the scheduler", async () => {
  const { key, runIds, workerId } = await prepare(2, 3);
  const claimed = await claimRuns(store, workerId, runIds);
  expect("far");
  const away = {
    ...store,
    pool: Object.create(store.pool, { query: { value: () => Promise.reject(new Error("away")) } }),
  };
  for (let ends = 0; ends < NEAR_FOR; ends += 1) noteLimits(away, true);
  const attempts = claimed.map((run) => finished(run, workerId, { state: "succeeded", result: null }));
  const report = await finishAttempts(away, workerId, attempts);
  assert.equal(report.recorded.size, 2);
  assert.deepEqual(await countPermits(key), { held: 2, returned: 2 });
  assert.deepEqual(await recountPermits(store), []);
  await foldAllReturned(store, 10);
  assert.deepEqual(await findGrantableKeys(store, 10), [key]);
  assert.equal((await grantPermits(store, [key])).length, 1);
});

test("after an end that found a limit near, so many have to find plenty before it is thought far off", () => {
  expect("far");
  noteLimits(store, false);
  for (let ends = 1; ends < NEAR_FOR; ends += 1) noteLimits(store, true);
  assert.equal(expectsFarLimits(store), false);
  noteLimits(store, true);
  assert.equal(expectsFarLimits(store), true);
});

/** Claims of a store that has met limits, all of them far off. */
async function meetFarLimits(): Promise<void> {
  const { runIds, workerId } = await prepare(1_000, 1);
  await end(workerId, await claimRuns(store, workerId, runIds));
  expect("far");
  for (let claims = 0; claims < SEVERAL_FOR; claims += 1) noteKeys(store, false);
}

/** Claims that wait for the lock of a limit while somebody changes it. */
async function claimDuring(
  { key, workerId }: { key: string; workerId: string },
  change: ReturnType<typeof sql>,
  batches: string[][],
): Promise<ClaimedRun[]> {
  const { claims } = await db.transaction().execute(async (tx) => {
    await sql`UPDATE run_limits SET ${change} WHERE key = ${key}`.execute(tx);
    const claims = batches.map((ids) => claimRuns(store, workerId, ids));
    await untilBlocked(store, claims.length);
    return { claims };
  });
  return (await Promise.all(claims)).flat();
}

describe("a claim that expects to meet one limit, far off", () => {
  test("takes no more permits than there are when it has the lock, whoever comes beside it", async () => {
    await meetFarLimits();
    const limited = await prepare(4, 6);
    const { key, runIds } = limited;
    const batches = [runIds.slice(0, 3), runIds.slice(3)];
    assert.equal((await claimDuring(limited, sql`paused_until = NULL`, batches)).length, 4);
    assert.deepEqual(await countPermits(key), { held: 4, returned: 0 });
  });

  test("obeys a change that is made while it waits for the lock", async () => {
    await meetFarLimits();
    const limited = await prepare(1_000, 2);
    const { key, runIds } = limited;
    assert.equal((await claimDuring(limited, sql`concurrency = 1`, [runIds])).length, 1);
    assert.deepEqual(await countPermits(key), { held: 1, returned: 0 });
  });

  test("starts runs of several limits as well, and expects several from then on", async () => {
    await meetFarLimits();
    const both = [await prepare(1_000, 2), await prepare(1_000, 2)];
    const runIds = both.flatMap((each) => each.runIds);
    assert.equal((await claimRuns(store, both[0]!.workerId, runIds)).length, 4);
    for (const { key } of both) assert.deepEqual(await countPermits(key), { held: 2, returned: 0 });
    assert.deepEqual([expectsOneKey(store), expectsFarLimits(store)], [false, true]);
  });

  test("starts what no limit holds for beside it", async () => {
    await meetFarLimits();
    const { key, runIds, workerId } = await prepare(1_000, 1);
    const free = await queueRun(store, await newNamespace());
    assert.equal((await claimRuns(store, workerId, [...runIds, free])).length, 2);
    assert.deepEqual(await countPermits(key), { held: 1, returned: 0 });
    assert.equal(expectsOneKey(store), true);
  });
});
