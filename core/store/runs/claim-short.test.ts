import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { deployFunction, makeWorker, queueInvocation, queueRun } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { claimRuns, claimShortRuns } from "./claim.ts";
import { findEarlyRuns } from "./find-claimable.ts";
import { releaseRuns } from "./finish.ts";

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
