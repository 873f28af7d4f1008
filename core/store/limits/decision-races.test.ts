/** Between what a decision under the locks of limits saw and what it writes, others change the runs that it saw. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { sql } from "kysely";
import type pg from "pg";
import { createTestDatabase } from "../../../test/support/database.ts";
import { queueKey } from "../../domain/limit-keys.ts";
import { NO_LIMITS } from "../../domain/queue.ts";
import type { Store } from "../database.ts";
import { putQueue } from "../queues/queues.ts";
import { type ClaimedRun, claimRuns } from "../runs/claim.ts";
import { finishAttempts } from "../runs/finish.ts";
import { findRun } from "../runs/read.ts";
import { changeTask } from "../tasks/redefine.ts";
import { finished, httpTask, makeWorker, queueRun } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { admitRuns } from "./admit-runs.ts";
import { grantPermits } from "./grant-permits.ts";
import { recountPermits } from "./recount-permits.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);
/** Whatever happened: as many permits are out as runs hold. */
afterEach(async () => assert.deepEqual(await recountPermits(store), []));

const idsOf = (runs: { id: string }[]) => runs.map(({ id }) => id);

/** A store in whose transactions `work` is done once, right after the statement of this name. */
function doAfter(name: string, work: () => Promise<unknown>): Store {
  let isDone = false;
  const connect = async () => {
    const client = await store.pool.connect();
    const query = async (statement: pg.QueryConfig | string, values?: unknown[]) => {
      const answer = await client.query(statement as string, values);
      if (!isDone && typeof statement !== "string" && statement.name === name) {
        isDone = true;
        await work();
      }
      return answer;
    };
    return Object.create(client, { query: { value: query } });
  };
  return { ...store, pool: Object.create(store.pool, { connect: { value: connect } }) };
}

/** Two queues of a namespace with so many runs at once, and their keys. */
async function openQueues(concurrency: number) {
  const namespaceId = await newNamespace();
  const limits = { ...NO_LIMITS, concurrency };
  for (const name of ["old", "new"]) await putQueue(store, namespaceId, name, { limits });
  const workerId = await makeWorker(db);
  return {
    ...{ namespaceId, workerId, old: queueKey(namespaceId, "old"), other: queueKey(namespaceId, "new") },
    queue: (queue: string) => queueRun(store, namespaceId, { queue }),
    async moveToNew(runId: string): Promise<void> {
      const { taskId } = (await findRun(store, namespaceId, runId))!;
      const input = httpTask({ kind: "now" }, { queue: "new" });
      const decide = async () => ({ input, functionId: null, reschedules: false });
      await changeTask(store, namespaceId, taskId!, new Date(), decide);
    },
    end: async (runs: ClaimedRun[]) =>
      await finishAttempts(
        store,
        workerId,
        runs.map((run) => finished(run, workerId, { state: "succeeded", result: null })),
      ),
  };
}

const permitsOf = async (runId: string) =>
  (
    await sql<{ permits: string[] | null }>`SELECT permits FROM task_runs_open WHERE id = ${runId}`.execute(
      db,
    )
  ).rows[0]!.permits;

test("a run that goes to another queue while it is decided on starts with permits of that one", async () => {
  const { workerId, old, other, queue, moveToNew } = await openQueues(1);
  const runId = await queue("old");
  const moving = doAfter("look-at-line", () => moveToNew(runId));
  assert.deepEqual(
    await admitRuns(moving, { workerId, longestMs: null }, [{ id: runId, keys: [old] }]),
    [],
    "whoever moved it rings it",
  );
  assert.deepEqual(idsOf(await claimRuns(store, workerId, [runId])), [runId]);
  assert.deepEqual(await permitsOf(runId), [other]);
});

test("one that was to wait for the old queue does not, once it is in another", async () => {
  const { workerId, old, queue, moveToNew } = await openQueues(1);
  const [first, second] = [await queue("old"), await queue("old")];
  assert.deepEqual(idsOf(await claimRuns(store, workerId, [first])), [first]);
  const moving = doAfter("look-at-line", () => moveToNew(second));
  await admitRuns(moving, { workerId, longestMs: null }, [{ id: second, keys: [old] }]);
  assert.deepEqual(idsOf(await claimRuns(store, workerId, [second])), [second]);
});

test("one that was about to be granted a permit gets none of the queue it has left", async () => {
  const { workerId, old, other, queue, moveToNew, end } = await openQueues(1);
  const [first, second, busy] = [await queue("old"), await queue("old"), await queue("new")];
  const started = await claimRuns(store, workerId, [first, second]);
  await claimRuns(store, workerId, [busy]);
  await end(started);
  const moving = doAfter("look-who-waits", async () => {
    await moveToNew(second);
    assert.deepEqual(await claimRuns(store, workerId, [second]), [], "it waits in the line of the new one");
  });
  assert.deepEqual(await grantPermits(moving, [old]), []);
  const { rows } = await sql<{ key: string }>`
    SELECT waiting_key AS key FROM task_runs_open WHERE id = ${second} AND waiting_for = 'concurrency'`.execute(
    db,
  );
  assert.deepEqual(rows, [{ key: other }]);
});

test("one that has lost the permit it was granted does not start without", async () => {
  const { workerId, old, queue, end } = await openQueues(200);
  const [granted, late] = [await queue("old"), await queue("old")];
  await sql`UPDATE task_runs_open SET waiting_for = 'concurrency', waiting_key = ${old}, room = 'awaited'
    WHERE id = ${granted}`.execute(db);
  assert.equal((await grantPermits(store, [old])).length, 1);
  await sql`UPDATE run_limits SET concurrency = 1 WHERE key = ${old}`.execute(db);
  const revoking = doAfter("look-at-line", () =>
    sql`WITH back AS (INSERT INTO returned_permits (key, count) VALUES (${old}, 1))
      UPDATE task_runs_open SET permits = NULL, waiting_for = 'concurrency', room = 'awaited'
      WHERE id = ${granted}`.execute(db),
  );
  const claimed = await admitRuns(revoking, { workerId, longestMs: null }, [{ id: late, keys: [old] }]);
  assert.deepEqual(claimed, []);
  await end(claimed);
});

test("one that would have started with a granted run's permit waits where that one has started meanwhile", async () => {
  const { namespaceId, workerId, old, queue, end } = await openQueues(1);
  const running = await claimRuns(store, workerId, [await queue("old")]);
  const low = await queue("old");
  assert.deepEqual(await claimRuns(store, workerId, [low]), []);
  await end(running);
  assert.equal((await grantPermits(store, [old])).length, 1);
  const urgent = await queueRun(store, namespaceId, { queue: "old", priority: 90 });
  let started: ClaimedRun[] = [];
  const passing = doAfter("look-at-line", async () => {
    started = await claimRuns(store, workerId, [low]);
  });
  const claimer = { workerId, longestMs: null };
  assert.deepEqual(await admitRuns(passing, claimer, [{ id: urgent, keys: [old] }]), []);
  assert.deepEqual(idsOf(started), [low]);
  await end(started);
  assert.deepEqual(
    (await grantPermits(store, [old])).map(({ runId }) => runId),
    [urgent],
  );
});

test("nobody counts on what a granted run yields besides: that one may start meanwhile", async () => {
  const { namespaceId, workerId, old, end } = await openQueues(2);
  const perKey = { concurrency: 1, rate: null };
  await putQueue(store, namespaceId, "old", { limits: { ...NO_LIMITS, concurrency: 2, perKey } });
  const post = (priority: number, concurrencyKey: string | null) =>
    queueRun(store, namespaceId, { queue: "old", priority, concurrencyKey });
  const claim = (...runIds: string[]) => claimRuns(store, workerId, runIds);
  const running = await claim(await post(50, "ada"), await post(50, null));
  assert.equal(running.length, 2);
  const [low, lowOfAda] = [await post(50, null), await post(50, "ada")];
  assert.deepEqual(await claim(low, lowOfAda), []);
  await end(running);
  assert.equal((await grantPermits(store, [old, `${old}/ada`])).length, 2);
  const [urgent, urgentOfAda] = [await post(90, null), await post(90, "ada")];
  let started: ClaimedRun[] = [];
  const passing = doAfter("look-at-line", async () => {
    started = await claim(lowOfAda);
  });
  const inTheirPlace = await claimRuns(passing, workerId, [urgent, urgentOfAda]);
  assert.deepEqual(idsOf(started), [lowOfAda]);
  assert.deepEqual(idsOf(inTheirPlace), [low], "the one permit of the key is held by the one that started");
});

test("a granted run keeps its permit where who would have started with it is gone meanwhile", async () => {
  const { namespaceId, workerId, old, queue, moveToNew, end } = await openQueues(1);
  const running = await claimRuns(store, workerId, [await queue("old")]);
  const low = await queue("old");
  assert.deepEqual(await claimRuns(store, workerId, [low]), []);
  await end(running);
  assert.equal((await grantPermits(store, [old])).length, 1);
  const urgent = await queueRun(store, namespaceId, { queue: "old", priority: 90 });
  const moving = doAfter("look-at-line", () => moveToNew(urgent));
  assert.deepEqual(await admitRuns(moving, { workerId, longestMs: null }, [{ id: urgent, keys: [old] }]), []);
  assert.deepEqual(idsOf(await claimRuns(store, workerId, [low])), [low]);
});
