import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { functionKey } from "../../domain/limit-keys.ts";
import { grantPermits } from "../limits/grant-permits.ts";
import { deployFunction, finished, makeWorker, queueInvocation, queueRun } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { claimRuns, claimShortRuns } from "./claim.ts";
import { findEarlyRuns } from "./find-claimable.ts";
import { finishAttempts, releaseRuns } from "./finish.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

const LONGEST_MS = 60_000;

test("only runs whose attempt may take so long at most are claimed: by their task's timeout, or their own", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "greet");
  const short = [
    await queueRun(store, namespaceId, { timeoutMs: LONGEST_MS }),
    await queueInvocation(store, namespaceId, "greet", { timeoutMs: LONGEST_MS }),
  ];
  const long = [
    await queueRun(store, namespaceId, { timeoutMs: LONGEST_MS + 1 }),
    await queueInvocation(store, namespaceId, "greet", { timeoutMs: 3_600_000 }),
  ];
  const claimed = await claimShortRuns(store, workerId, [...long, ...short], LONGEST_MS);
  assert.deepEqual(claimed.map(({ id }) => id).sort(), short.toSorted());
  const left = await findEarlyRuns(store, [...long, ...short]);
  assert.deepEqual(
    left.map(({ id, timeoutMs }) => [id, timeoutMs]).sort(),
    [
      [long[0], LONGEST_MS + 1],
      [long[1], 3_600_000],
    ].sort(),
  );
  assert.ok(left.every(({ waitMs }) => waitMs === 0));
});

test("how long a run may take is told alike before its claim and by it", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "greet");
  const runIds = [
    await queueRun(store, namespaceId, { timeoutMs: 1_234 }),
    await queueInvocation(store, namespaceId, "greet", { timeoutMs: 5_678 }),
  ];
  const early = await findEarlyRuns(store, runIds);
  const claimed = await claimRuns(store, workerId, runIds);
  assert.deepEqual(
    new Map(claimed.map(({ id, policy }) => [id, policy.timeoutMs])),
    new Map(early.map(({ id, timeoutMs }) => [id, timeoutMs])),
  );
});

test("one that waits for a permit is not among those that wait for a claim", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "one-by-one", { concurrency: 1 });
  const [first, second] = [
    await queueInvocation(store, namespaceId, "one-by-one"),
    await queueInvocation(store, namespaceId, "one-by-one"),
  ];
  const [claimed] = await claimShortRuns(store, workerId, [first, second], LONGEST_MS);
  assert.equal(claimed?.id, first);
  assert.deepEqual(await findEarlyRuns(store, [first, second]), []);
  await releaseRuns(store, workerId, [claimed]);
  assert.deepEqual(
    (await findEarlyRuns(store, [first, second])).map(({ id }) => id),
    [first],
  );
});

/** A function with this limit, a run of it under way, and one that waits for a permit although it came first. */
async function openLine(concurrency: number, waiting: { timeoutMs: number }) {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const functionId = await deployFunction(db, namespaceId, "f", { concurrency });
  const queue = (timeoutMs: number) => queueInvocation(store, namespaceId, "f", { timeoutMs });
  const first = await claimRuns(
    store,
    workerId,
    await Promise.all(Array.from({ length: concurrency }, () => queue(1))),
  );
  const older = await queue(waiting.timeoutMs);
  assert.deepEqual(await claimRuns(store, workerId, [older]), []);
  const ends = first.map((run) => finished(run, workerId, { state: "succeeded", result: null }));
  const end = () => finishAttempts(store, workerId, ends);
  const claimShort = async (runIds: string[]) =>
    (await claimShortRuns(store, workerId, runIds, LONGEST_MS)).map(({ id }) => id);
  return { workerId, key: functionKey(functionId), older, queue, end, claimShort };
}

test("one that waits and is too long keeps its turn: it does not start, and nobody takes its permit", async () => {
  const { workerId, key, older, queue, end, claimShort } = await openLine(2, { timeoutMs: LONGEST_MS + 1 });
  await end();
  const [next, last] = [await queue(1), await queue(1)];
  assert.deepEqual(await claimShort([next, last]), [next], "the second permit is the older one's");
  assert.deepEqual(
    (await grantPermits(store, [key])).map(({ runId }) => runId),
    [older],
  );
  assert.equal((await claimRuns(store, workerId, [older])).length, 1);
});

test("one that was granted its permit and is too long is left to another worker", async () => {
  const { workerId, key, older, queue, end, claimShort } = await openLine(1, { timeoutMs: LONGEST_MS + 1 });
  await end();
  await grantPermits(store, [key]);
  assert.deepEqual(await claimShort([await queue(1)]), []);
  assert.equal((await claimRuns(store, workerId, [older])).length, 1);
});

test("one that waits and is short starts in the place of the one that was asked for", async () => {
  const { older, queue, end, claimShort } = await openLine(1, { timeoutMs: LONGEST_MS });
  await end();
  assert.deepEqual(await claimShort([await queue(1)]), [older]);
});
