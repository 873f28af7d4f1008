import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { cancelTask } from "../tasks/end.ts";
import { claim, finished, line, makeWorker, SAMPLE_ERROR, startRun } from "../testing/samples.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { cancelRuns, discardDeadLetter } from "./cancel.ts";
import type { ClaimedRun } from "./claim.ts";
import { redriveDeadLetters } from "./dead-letters.ts";
import { finishAttempts } from "./finish.ts";
import { listOwnedRuns } from "./owned.ts";
import { findRun, listRuns } from "./read.ts";

async function listCancelled(workerId: string): Promise<string[]> {
  const owned = await listOwnedRuns(store, workerId, 15_000);
  return owned.filter(({ cancelRequested }) => cancelRequested).map(({ id }) => id);
}

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

/** A run whose only attempt so far brought it into the dead letters. */
async function makeDeadLetter(namespaceId: string): Promise<ClaimedRun> {
  const workerId = await makeWorker(db);
  const claimed = await startRun(store, namespaceId, workerId);
  await bury(claimed, workerId);
  return claimed;
}

async function bury(claimed: ClaimedRun, workerId: string): Promise<void> {
  const verdict = { state: "dead", error: SAMPLE_ERROR, result: { status: 503 } } as const;
  await finishAttempts(store, workerId, [finished(claimed, workerId, verdict, [line("no")])]);
}

test("a redriven run is due at once, with its history and its whole allowance again", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const dead = await makeDeadLetter(namespaceId);
  const [redriven, ...others] = await redriveDeadLetters(store, namespaceId, { runId: dead.id });
  assert.deepEqual(others, []);
  assert.equal(redriven?.runId, dead.id);
  const run = await findRun(store, namespaceId, dead.id);
  assert.deepEqual([run?.state, run?.attempt, run?.error, run?.result], ["queued", 2, null, null]);
  assert.deepEqual([run?.finishedAt, run?.startedAt, run?.workerId], [null, null, null]);
  assert.equal(run!.attempts.length, 1);

  const second = await claim(store, workerId, dead.id);
  assert.deepEqual(
    [second.attempt, second.attemptOffset],
    [2, 1],
    "attempt − offset is the first of the allowance",
  );
  assert.equal(dead.limitsFrom, null);
  assert.ok(second.limitsFrom! > dead.startedAt && second.limitsFrom! <= second.startedAt);
  await bury(second, workerId);
  await redriveDeadLetters(store, namespaceId, { runId: dead.id });
  const third = await claim(store, workerId, dead.id);
  assert.deepEqual([third.attempt, third.attemptOffset], [3, 2]);
  await finishAttempts(store, workerId, [
    finished(third, workerId, { state: "succeeded", result: "at last" }),
  ]);
  const ended = await findRun(store, namespaceId, dead.id);
  assert.equal(ended?.state, "succeeded");
  assert.deepEqual(
    ended.attempts.map(({ attempt, error }) => [attempt, error?.code]),
    [
      [1, "http_status"],
      [2, "http_status"],
      [3, undefined],
    ],
  );
});

test("one, those of a task, or all: nothing else is redriven", async () => {
  const [ours, theirs] = [await newNamespace(), await newNamespace()];
  const [a, b, c] = [await makeDeadLetter(ours), await makeDeadLetter(ours), await makeDeadLetter(ours)];
  const alien = await makeDeadLetter(theirs);
  const redrive = async (which: { runId?: string; taskId?: string }) =>
    (await redriveDeadLetters(store, ours, which)).map(({ runId }) => runId);
  assert.deepEqual(await redrive({ runId: alien.id }), []);
  assert.deepEqual(await redrive({ taskId: alien.taskId! }), []);
  assert.deepEqual(await redrive({ taskId: b.taskId! }), [b.id]);
  assert.deepEqual(await redrive({ runId: a.id }), [a.id]);
  assert.deepEqual(await redrive({ runId: a.id }), [], "it is dead no more");
  assert.deepEqual(await redrive({}), [c.id]);
  assert.equal((await findRun(store, theirs, alien.id))?.state, "dead");
});

test("a discarded dead letter failed, keeps its error and can no longer be redriven", async () => {
  const namespaceId = await newNamespace();
  const dead = await makeDeadLetter(namespaceId);
  const discarded = await discardDeadLetter(store, namespaceId, dead.id);
  assert.deepEqual(
    [discarded?.cause, discarded?.state, discarded?.error],
    ["discard", "failed", SAMPLE_ERROR],
  );
  assert.equal(await discardDeadLetter(store, namespaceId, dead.id), undefined);
  const run = await findRun(store, namespaceId, dead.id);
  assert.deepEqual([run?.state, run?.error, run?.result], ["failed", SAMPLE_ERROR, { status: 503 }]);
  assert.equal(run!.attempts.length, 1);
  assert.deepEqual(await redriveDeadLetters(store, namespaceId, {}), []);
  assert.deepEqual((await listRuns(store, namespaceId, { state: ["dead"] }, { limit: 10 })).rows, []);
});

test("only a dead letter can be discarded", async () => {
  const namespaceId = await newNamespace();
  const running = await startRun(store, namespaceId, await makeWorker(db));
  assert.equal(await discardDeadLetter(store, namespaceId, running.id), undefined);
  assert.equal((await findRun(store, namespaceId, running.id))?.state, "running");
});

test("the list of dead letters holds them alone, newest first", async () => {
  const namespaceId = await newNamespace();
  const [a, b] = [await makeDeadLetter(namespaceId), await makeDeadLetter(namespaceId)];
  await startRun(store, namespaceId, await makeWorker(db));
  await makeDeadLetter(await newNamespace());
  const listed = async (filter: object) =>
    (await listRuns(store, namespaceId, { state: ["dead"], ...filter }, { limit: 10 })).rows.map(
      ({ id }) => id,
    );
  assert.deepEqual(await listed({}), [b.id, a.id]);
  assert.deepEqual(await listed({ taskId: a.taskId! }), [a.id]);
});

test("a cancel from before the redrive is forgotten: the new attempt is not stopped by it", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const claimed = await startRun(store, namespaceId, workerId);
  await cancelRuns(store, namespaceId, { runId: claimed.id });
  await bury(claimed, workerId);
  await redriveDeadLetters(store, namespaceId, { runId: claimed.id });
  await claim(store, workerId, claimed.id);
  assert.deepEqual(await listCancelled(workerId), []);
});

test("the dead letters of a cancelled task stay dead", async () => {
  const namespaceId = await newNamespace();
  const dead = await makeDeadLetter(namespaceId);
  await cancelTask(store, namespaceId, dead.taskId!, new Date());
  for (const which of [{}, { runId: dead.id }, { taskId: dead.taskId! }]) {
    assert.deepEqual(await redriveDeadLetters(store, namespaceId, which), []);
  }
  assert.equal((await findRun(store, namespaceId, dead.id))?.state, "dead");
});

test("a redrive that meets a cancel of its task waits for it, and then leaves the dead letter alone", async () => {
  const namespaceId = await newNamespace();
  const [dead, other] = [await makeDeadLetter(namespaceId), await makeDeadLetter(namespaceId)];
  const { redriving } = await inTransaction(store.pool, async (tx) => {
    await tx.pool.query("SELECT FROM tasks WHERE id = $1 FOR UPDATE", [dead.taskId]);
    await tx.pool.query("UPDATE tasks SET state = 'cancelled' WHERE id = $1", [dead.taskId]);
    const redriving = redriveDeadLetters(store, namespaceId, {});
    await Promise.race([redriving, untilBlocked(store)]);
    // It holds no run while it waits for a task: the cancel might want it.
    await tx.pool.query("SELECT FROM task_runs_open WHERE id = $1 FOR UPDATE NOWAIT", [dead.id]);
    await tx.pool.query("UPDATE tasks SET state = 'cancelled' WHERE id = $1", [dead.taskId]);
    return { redriving };
  });
  assert.deepEqual(
    (await redriving).map(({ runId }) => runId),
    [other.id],
  );
  assert.equal((await findRun(store, namespaceId, dead.id))?.state, "dead");
});
