import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { v7 } from "uuid";
import { createTestDatabase } from "../../../test/support/database.ts";
import { listRunLogs } from "../logs.ts";
import {
  claim,
  deployFunction,
  finished,
  line,
  makeWorker,
  queueInvocation,
  queueRun,
  startRun,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { claimRuns } from "./claim.ts";
import { enqueueTaskRun } from "./enqueue.ts";
import { finishAttempts } from "./finish.ts";
import { findRun, listRuns } from "./read.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

test("a run is found open and finished, and looks the same but for what happened", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const claimed = await startRun(store, namespaceId, workerId);
  const open = await findRun(store, namespaceId, claimed.id);
  assert.deepEqual([open?.state, open?.finishedAt, open?.result], ["running", null, null]);
  await finishAttempts(store, workerId, [finished(claimed, workerId, { state: "succeeded", result: [1] })]);
  const ended = await findRun(store, namespaceId, claimed.id);
  assert.deepEqual(
    { ...ended, attempts: [] },
    { ...open, state: "succeeded", result: [1], finishedAt: ended?.finishedAt },
  );
});

test("a run shows its queue and its keys there, open and finished, by itself and in a list", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const shown = async (runId: string) => {
    const [found, listed] = await Promise.all([
      findRun(store, namespaceId, runId),
      listRuns(store, namespaceId, {}, { limit: 10 }),
    ]);
    for (const run of [found!, listed.rows.find(({ id }) => id === runId)!])
      assert.deepEqual(
        [run.queue, run.concurrencyKey, run.rateKey],
        [found!.queue, found!.concurrencyKey, found!.rateKey],
      );
    return [found!.queue, found!.concurrencyKey, found!.rateKey];
  };
  for (const place of [
    ["mail", "ada/7", "rate: a"],
    ["default", "ada", null],
    ["default", null, "queue:x/y"],
    ["mail", null, null],
    ["default", null, null],
  ] as const) {
    const [queue, concurrencyKey, rateKey] = place;
    const runId = await queueRun(store, namespaceId, { queue, concurrencyKey, rateKey });
    assert.deepEqual(await shown(runId), [...place]);
    const run = await claim(store, workerId, runId);
    await finishAttempts(store, workerId, [finished(run, workerId, { state: "succeeded", result: 1 })]);
    assert.deepEqual(await shown(runId), [...place], "when it has ended");
  }
});

test("an id that nobody made is not found, whatever instant it claims", async () => {
  const namespaceId = await newNamespace();
  for (const id of ["ffffffff-ffff-7fff-bfff-ffffffffffff", "00000000-0000-0000-0000-000000000000", v7()]) {
    assert.equal(await findRun(store, namespaceId, id), undefined);
    assert.deepEqual(await listRunLogs(db, id, 10, undefined), []);
  }
});

test("a run whose maker's clock ran ahead of the database's is found when it has finished, and its lines", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "greet");
  const runId = v7({ msecs: Date.now() + 120_000 });
  await queueInvocation(store, namespaceId, "greet", { runId });
  const claimed = await claim(store, workerId, runId);
  await finishAttempts(store, workerId, [
    finished(claimed, workerId, { state: "succeeded", result: 1 }, [line("hi")]),
  ]);
  assert.equal((await findRun(store, namespaceId, runId))?.state, "succeeded");
  assert.equal((await listRunLogs(db, runId, 10, undefined)).length, 1);
});

test("a list is newest first over open and finished runs, page by page", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const ids: string[] = [];
  for (let index = 0; index < 7; index += 1) ids.push(await queueRun(store, namespaceId));
  const claims = await claimRuns(
    store,
    workerId,
    ids.filter((_, index) => index % 2 === 0),
  );
  await finishAttempts(
    store,
    workerId,
    claims.map((run) => finished(run, workerId, { state: "succeeded", result: 1 })),
  );
  const pages: string[][] = [];
  for (let afterId: string | null | undefined; afterId !== null; ) {
    const { rows, nextId } = await listRuns(store, namespaceId, {}, { limit: 3, afterId });
    pages.push(rows.map(({ id }) => id));
    afterId = nextId;
  }
  assert.deepEqual(
    pages.map((page) => page.length),
    [3, 3, 1],
  );
  assert.deepEqual(pages.flat(), ids.toReversed());
});

test("a task's list holds its runs alone", async () => {
  const namespaceId = await newNamespace();
  const claimed = await startRun(store, namespaceId, await makeWorker(db));
  await queueRun(store, namespaceId);
  const again = await enqueueTaskRun(store, namespaceId, claimed.taskId!);
  const listed = await listRuns(store, namespaceId, { taskId: claimed.taskId! }, { limit: 10 });
  assert.deepEqual(
    listed.rows.map(({ id }) => id),
    [again!.runId, claimed.id],
  );
});

test("a run that moves while it is read is seen once, in one of its places", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const ids = await Promise.all(Array.from({ length: 20 }, () => queueRun(store, namespaceId)));
  const claims = await claimRuns(store, workerId, ids);
  const moving = finishAttempts(
    store,
    workerId,
    claims.map((run) => finished(run, workerId, { state: "succeeded", result: 1 })),
  );
  const seen = await Promise.all(ids.map((id) => findRun(store, namespaceId, id)));
  await moving;
  for (const run of seen) assert.ok(run?.state === "running" || run?.state === "succeeded", run?.state);
  const { rows } = await sql`SELECT FROM task_runs WHERE namespace_id = ${namespaceId}`.execute(db);
  assert.equal(rows.length, 20);
});
