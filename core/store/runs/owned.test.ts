import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { finished, makeWorker, retryAfter, startRun } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { cancelRuns } from "./cancel.ts";
import { finishAttempts } from "./finish.ts";
import { listOwnedRuns } from "./owned.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);

test("a worker owns what it runs, and nothing that waits, ended or is another's", async () => {
  const namespaceId = await newNamespace();
  const [workerId, other] = [await makeWorker(db), await makeWorker(db)];
  const [owned, retried, ended] = [
    await startRun(store, namespaceId, workerId),
    await startRun(store, namespaceId, workerId),
    await startRun(store, namespaceId, workerId),
  ];
  await startRun(store, namespaceId, other);
  await finishAttempts(store, workerId, [
    finished(retried, workerId, retryAfter(1_000)),
    finished(ended, workerId, { state: "succeeded", result: 1 }),
  ]);
  const expected = {
    ...{ id: owned.id, claimNo: 1, attempt: 1, startedAt: owned.startedAt },
    ...{ isDirect: false, cancelRequested: false, isOld: false },
  };
  assert.deepEqual(await listOwnedRuns(store, workerId, 60_000), [expected]);
});

test("it is told which were asked to stop, and which it claimed longer ago than a lease", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const [asked, old] = [
    await startRun(store, namespaceId, workerId),
    await startRun(store, namespaceId, workerId),
  ];
  await cancelRuns(store, namespaceId, { runId: asked.id });
  await sql`UPDATE task_runs_open SET started_at = clock_timestamp() - interval '61 seconds'
    WHERE id = ${old.id}`.execute(db);
  const owned = new Map((await listOwnedRuns(store, workerId, 60_000)).map((run) => [run.id, run]));
  assert.deepEqual([owned.get(asked.id)?.cancelRequested, owned.get(asked.id)?.isOld], [true, false]);
  assert.deepEqual([owned.get(old.id)?.cancelRequested, owned.get(old.id)?.isOld], [false, true]);
});
