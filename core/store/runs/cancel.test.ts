import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { newId } from "../ids.ts";
import { cancelTask } from "../tasks/end.ts";
import {
  claim,
  finished,
  makeWorker,
  queueRun,
  retryAfter,
  SAMPLE_ERROR,
  startRun,
} from "../testing/samples.ts";
import { openTestStore, until, untilBlocked } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { type Cancelled, cancelRuns } from "./cancel.ts";
import { claimRuns } from "./claim.ts";
import { enqueueTaskRun } from "./enqueue.ts";
import { finishAttempts, releaseRuns } from "./finish.ts";
import { listOwnedRuns } from "./owned.ts";
import { findRun } from "./read.ts";

async function listCancelled(workerId: string): Promise<string[]> {
  const owned = await listOwnedRuns(store, workerId, 15_000);
  return owned.filter(({ cancelRequested }) => cancelRequested).map(({ id }) => id);
}

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

test("what waits ends at once", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const queued = await queueRun(store, namespaceId);
  const retried = await startRun(store, namespaceId, workerId);
  await finishAttempts(store, workerId, [finished(retried, workerId, retryAfter(60_000))]);
  for (const runId of [queued, retried.id]) {
    assert.deepEqual(idsOf(await cancelRuns(store, namespaceId, { runId })), { ended: [runId], asked: [] });
    const run = await findRun(store, namespaceId, runId);
    assert.equal(run?.state, "cancelled");
    assert.ok(run.finishedAt);
    assert.deepEqual(await claimRuns(store, workerId, [runId]), []);
    assert.deepEqual(
      idsOf(await cancelRuns(store, namespaceId, { runId })),
      { ended: [], asked: [] },
      "once",
    );
  }
  assert.equal((await findRun(store, namespaceId, retried.id))?.attempts.length, 1, "its history stays");
});

test("what runs is asked to stop, and only its worker hears of it", async () => {
  const namespaceId = await newNamespace();
  const [workerId, other] = [await makeWorker(db), await makeWorker(db)];
  const claimed = await startRun(store, namespaceId, workerId);
  await startRun(store, namespaceId, workerId);
  assert.deepEqual(idsOf(await cancelRuns(store, namespaceId, { runId: claimed.id })), {
    ended: [],
    asked: [claimed.id],
  });
  assert.deepEqual(idsOf(await cancelRuns(store, namespaceId, { runId: claimed.id })), {
    ended: [],
    asked: [claimed.id],
  });
  assert.equal((await findRun(store, namespaceId, claimed.id))?.state, "running", "until the worker says so");
  assert.deepEqual(await listCancelled(workerId), [claimed.id]);
  assert.deepEqual(await listCancelled(other), []);
  await finishAttempts(store, workerId, [finished(claimed, workerId, { state: "cancelled" })]);
  assert.deepEqual(await listCancelled(workerId), []);
});

test("dead letters, finished runs and other people's runs are left as they are", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const [dead, ended] = [
    await startRun(store, namespaceId, workerId),
    await startRun(store, namespaceId, workerId),
  ];
  await finishAttempts(store, workerId, [
    finished(dead, workerId, { state: "dead", error: SAMPLE_ERROR }),
    finished(ended, workerId, { state: "succeeded", result: 1 }),
  ]);
  const alien = await queueRun(store, await newNamespace());
  for (const runId of [dead.id, ended.id, alien, newId()]) {
    assert.deepEqual(idsOf(await cancelRuns(store, namespaceId, { runId })), { ended: [], asked: [] });
  }
  assert.equal((await findRun(store, namespaceId, dead.id))?.state, "dead");
  assert.equal((await findRun(store, namespaceId, ended.id))?.state, "succeeded");
});

test("a task's open runs are cancelled together, each in its way", async () => {
  const namespaceId = await newNamespace();
  const running = await startRun(store, namespaceId, await makeWorker(db));
  const taskId = running.taskId!;
  const queued = [
    await enqueueTaskRun(store, namespaceId, taskId),
    await enqueueTaskRun(store, namespaceId, taskId),
  ];
  const bystander = await queueRun(store, namespaceId);
  const { ended, asked } = idsOf(await cancelRuns(store, namespaceId, { taskId }));
  assert.deepEqual(ended.sort(), queued.map((run) => run!.runId).sort());
  assert.deepEqual(asked, [running.id]);
  assert.equal((await findRun(store, namespaceId, bystander))?.state, "queued");
});

const idsOf = ({ ended, asked }: Cancelled) => ({ ended: ended.map(({ runId }) => runId), asked });

/** Changes a run in a transaction of its own and cancels it meanwhile; commits once the cancel waits for the row. */
async function cancelDuring(namespaceId: string, runId: string, change: string) {
  const client = await store.pool.connect();
  try {
    await client.query("BEGIN");
    await client.query(change, [runId]);
    const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const cancelling = cancelRuns(store, namespaceId, { runId });
    await until(async () => {
      const waiting = await sql`SELECT FROM pg_stat_activity
        WHERE ${rows[0]!.pid}::int = ANY(pg_blocking_pids(pid))`.execute(db);
      return waiting.rows.length > 0 || undefined;
    });
    await client.query("COMMIT");
    return idsOf(await cancelling);
  } finally {
    client.release();
  }
}

test("a cancel is not lost on a run that changes its state under it", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const claimed = await queueRun(store, namespaceId);
  const claiming = `UPDATE task_runs_open SET state = 'running', worker_id = '${workerId}', started_at = now() WHERE id = $1`;
  assert.deepEqual(await cancelDuring(namespaceId, claimed, claiming), { ended: [], asked: [claimed] });

  const failing = await startRun(store, namespaceId, workerId);
  const retrying = "UPDATE task_runs_open SET state = 'scheduled', attempt = 2 WHERE id = $1";
  assert.deepEqual(await cancelDuring(namespaceId, failing.id, retrying), { ended: [failing.id], asked: [] });
  assert.equal((await findRun(store, namespaceId, failing.id))?.attempt, 2);
});

test("cancels and claims that meet leave each run either cancelled or asked", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const ids = await Promise.all(Array.from({ length: 40 }, () => queueRun(store, namespaceId)));
  const [claims, ...cancels] = await Promise.all([
    claimRuns(store, workerId, ids),
    ...ids.map((runId) => cancelRuns(store, namespaceId, { runId })),
  ]);
  const claimed = new Set(claims.map(({ id }) => id));
  for (const [index, runId] of ids.entries()) {
    const expected = claimed.has(runId) ? { ended: [], asked: [runId] } : { ended: [runId], asked: [] };
    assert.deepEqual(idsOf(cancels[index]!), expected);
  }
  await assert.rejects(claim(store, workerId, ids[0]!));
});

/**
 * A transaction that has locked the second row, and locks the first one as soon as `other`, which has that, waits for
 * the second.
 */
async function meetCrosswise<T>([first, second]: [string, string], other: () => Promise<T>): Promise<T> {
  const holds = Promise.withResolvers<void>();
  const meets = Promise.withResolvers<void>();
  const crossing = inTransaction(store.pool, async ({ pool }) => {
    const lock = (id: string) => pool.query("SELECT FROM task_runs_open WHERE id = $1 FOR UPDATE", [id]);
    await lock(second);
    holds.resolve();
    await meets.promise;
    await lock(first);
  });
  await holds.promise;
  const answer = other();
  await untilBlocked(store);
  meets.resolve();
  await crossing;
  return await answer;
}

test("a cancel of a whole task goes through where it and others wait for each other's rows", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const { id, taskId } = await startRun(store, namespaceId, workerId);
  const other = (await enqueueTaskRun(store, namespaceId, taskId!))!.runId;
  const { runs } = await meetCrosswise([id, other], () =>
    cancelTask(store, namespaceId, taskId!, new Date()),
  );
  assert.deepEqual(idsOf(runs), { ended: [other], asked: [id] });
});

for (const [what, end] of [
  ["ends of runs go", finishAttempts],
  ["a worker that gives its runs back goes", releaseRuns],
] as const)
  test(`${what} through where it and a cancel wait for each other's rows`, async () => {
    const namespaceId = await newNamespace();
    const workerId = await makeWorker(db);
    const runs = [
      await startRun(store, namespaceId, workerId),
      await startRun(store, namespaceId, workerId),
    ] as const;
    const ends = runs.map((run) => ({
      ...run,
      ...finished(run, workerId, { state: "succeeded", result: null }),
    }));
    await meetCrosswise([runs[0].id, runs[1].id], async () => void (await end(store, workerId, ends)));
    const states = await Promise.all(
      runs.map(async ({ id }) => (await findRun(store, namespaceId, id))?.state),
    );
    const expected = end === finishAttempts ? "succeeded" : "queued";
    assert.deepEqual(states, [expected, expected]);
  });
