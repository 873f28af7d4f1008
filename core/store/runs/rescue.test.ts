import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { DEFAULT_POLICY } from "../../contracts/task-policy.ts";
import { WORKER_LOST } from "../../domain/run-errors.ts";
import type { LeaseJudge, ServerWord } from "../contact.ts";
import { newId } from "../ids.ts";
import {
  ANY_TIME,
  claim,
  deployFunction,
  finished,
  type GivenTask,
  makeWorker,
  queueInvocation,
  retryAfter,
  startRun,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { removeWorker } from "../workers.ts";
import { cancelRuns } from "./cancel.ts";
import type { ClaimedRun } from "./claim.ts";
import { finishAttempts } from "./finish.ts";
import { queueDueRetries } from "./queue-retries.ts";
import { findRun } from "./read.ts";
import { rescueLostRuns } from "./rescue.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

const rescue = (limit = 100) => rescueLostRuns(store, new Date(), ANY_TIME, limit);
const attempts = (maxAttempts: number): GivenTask => ({
  retry: { ...DEFAULT_POLICY.retry, maxAttempts },
});

/** A run of a worker whose lease ran out. */
async function loseRun(namespaceId: string, given: GivenTask = {}): Promise<ClaimedRun> {
  return await startRun(store, namespaceId, await makeWorker(db, -1), given);
}

test("a lost run waits for its next attempt, the lost one on record", async () => {
  const namespaceId = await newNamespace();
  const lost = await loseRun(namespaceId);
  const now = new Date();
  const [rescued, ...others] = await rescueLostRuns(store, now, ANY_TIME, 100);
  assert.deepEqual(others, []);
  assert.deepEqual(rescued, {
    ...{ runId: lost.id, claimNo: lost.claimNo, namespaceId, taskId: lost.taskId, type: "http" },
    ...{
      trigger: "schedule",
      functionId: null,
      functionName: null,
      wantedKeys: null,
      hasCallbacks: false,
      attempt: 1,
      cause: "rescue",
      state: "scheduled",
    },
    ...{ error: WORKER_LOST, awaited: false, startedAt: lost.startedAt, endedAt: now },
  });
  const run = await findRun(store, namespaceId, lost.id);
  assert.deepEqual([run?.state, run?.attempt, run?.error?.code], ["scheduled", 2, "worker_lost"]);
  const waitMs = run!.availableAt.getTime() - now.getTime();
  assert.ok(waitMs >= 500 && waitMs <= 1_000, "the backoff of the task's policy");
  const [record] = run!.attempts;
  assert.equal(record?.attempt, 1);
  assert.equal(record.error?.code, "worker_lost");
  assert.equal(record.startedAt, lost.startedAt.toISOString());
  assert.deepEqual(await rescue(), [], "once");
  await queueDueRetries(store, run!.availableAt, 10);
  await sql`UPDATE task_runs_open SET available_at = clock_timestamp()`.execute(db);
  const again = await claim(store, await makeWorker(db), lost.id);
  assert.equal(again.attempt, 2);
  assert.ok(again.claimNo > lost.claimNo + 1, "the rescue itself fences the lost worker");
});

test("a lost call is over, unless it may be tried more than once", async () => {
  const namespaceId = await newNamespace();
  await deployFunction(db, namespaceId, "greet");
  for (const [maxAttempts, expected] of [
    [1, "failed"],
    [2, "scheduled"],
  ] as const) {
    const runId = await queueInvocation(store, namespaceId, "greet", { maxAttempts });
    await claim(store, await makeWorker(db, -1), runId);
    await rescue();
    assert.equal((await findRun(store, namespaceId, runId))?.state, expected);
  }
});

test("a lost run whose deadline leaves no time for another attempt is over", async () => {
  const namespaceId = await newNamespace();
  const lost = await loseRun(namespaceId, { deadlineMs: 1 });
  assert.deepEqual(
    (await rescue()).map(({ runId, state, error }) => [runId, state, error?.code]),
    [[lost.id, "dead", "deadline_exceeded"]],
  );
});

test("a lost run whose failure is not in its task's list is not tried again", async () => {
  const namespaceId = await newNamespace();
  await loseRun(namespaceId, { retry: { ...DEFAULT_POLICY.retry, on: ["5xx"] } });
  assert.deepEqual(
    (await rescue()).map(({ state, error }) => [state, error?.code]),
    [["dead", "worker_lost"]],
  );
});

test("a worker whose row is gone is lost as well", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const claimed = await startRun(store, namespaceId, workerId);
  assert.deepEqual(await rescue(), []);
  await removeWorker(db, workerId);
  assert.deepEqual(
    (await rescue()).map(({ runId }) => runId),
    [claimed.id],
  );
});

test("a live lease is left alone", async () => {
  const namespaceId = await newNamespace();
  const alive = await startRun(store, namespaceId, await makeWorker(db, 60_000));
  const lost = await loseRun(namespaceId);
  assert.deepEqual(
    (await rescue()).map(({ runId }) => runId),
    [lost.id],
  );
  assert.equal((await findRun(store, namespaceId, alive.id))?.state, "running");
});

test("with the attempts used up a lost run is dead, or failed where dead letters are off", async () => {
  const namespaceId = await newNamespace();
  const dead = await loseRun(namespaceId, attempts(1));
  const failed = await loseRun(namespaceId, { ...attempts(1), deadLetter: false });
  const states = new Map((await rescue()).map(({ runId, state }) => [runId, state]));
  assert.deepEqual([states.get(dead.id), states.get(failed.id)], ["dead", "failed"]);
  for (const [id, state] of states) {
    const run = await findRun(store, namespaceId, id);
    assert.deepEqual([run?.state, run?.attempt, run?.error?.code], [state, 1, "worker_lost"]);
    assert.equal(run!.attempts.length, 1);
    assert.ok(run!.finishedAt! >= run!.startedAt!);
  }
});

test("attempts count from the last redrive on", async () => {
  const namespaceId = await newNamespace();
  const lost = await loseRun(namespaceId, attempts(2));
  await sql`UPDATE task_runs_open SET attempt = 4, attempt_offset = 3 WHERE id = ${lost.id}`.execute(db);
  assert.equal((await rescue())[0]?.state, "scheduled");
  const again = await loseRun(namespaceId, attempts(2));
  await sql`UPDATE task_runs_open SET attempt = 5, attempt_offset = 3 WHERE id = ${again.id}`.execute(db);
  assert.equal((await rescue())[0]?.state, "dead");
});

test("a lost invocation failed, and whoever waits is told", async () => {
  const namespaceId = await newNamespace();
  await deployFunction(db, namespaceId, "greet");
  const runId = await queueInvocation(store, namespaceId, "greet", { awaited: true });
  await claim(store, newId(), runId);
  const [rescued] = await rescue();
  assert.deepEqual([rescued?.runId, rescued?.state, rescued?.awaited], [runId, "failed", true]);
  assert.deepEqual([rescued?.trigger, rescued?.functionName], ["invoke", "greet"]);
  const run = await findRun(store, namespaceId, runId);
  assert.deepEqual([run?.state, run?.error?.code], ["failed", "worker_lost"]);
});

test("a lost run that was asked to stop is cancelled", async () => {
  const namespaceId = await newNamespace();
  const lost = await loseRun(namespaceId);
  await cancelRuns(store, namespaceId, { runId: lost.id });
  assert.equal((await rescue())[0]?.state, "cancelled");
  assert.equal((await findRun(store, namespaceId, lost.id))?.state, "cancelled");
});

test("nothing is rescued while leases may not be judged", async () => {
  const lost = await loseRun(await newNamespace());
  const words: ServerWord[] = [];
  const never: LeaseJudge = {
    mayJudge(word) {
      words.push(word);
      return false;
    },
  };
  assert.deepEqual(await rescueLostRuns(store, new Date(), never, 100), []);
  assert.equal((await rescue())[0]?.runId, lost.id);
  assert.ok(Math.abs(words[0]!.at.getTime() - Date.parse(words[0]!.exactAt)) < 1);
});

test("leases are compared with the instant at which the judge was asked, however long what follows takes", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db, 60_000);
  const claimed = await startRun(store, namespaceId, workerId);
  const slow: LeaseJudge = {
    mayJudge(word) {
      // As if the database had stood still from here on, until long after the lease.
      word.exactAt = new Date(word.at.getTime() - 3_600_000).toISOString();
      return true;
    },
  };
  await sql`UPDATE workers SET lease_until = clock_timestamp() - interval '1 minute' WHERE id = ${workerId}`.execute(
    db,
  );
  assert.deepEqual(await rescueLostRuns(store, new Date(), slow, 100), []);
  assert.equal((await rescue())[0]?.runId, claimed.id);
});

test("schedulers that rescue side by side take each lost run once, as many as they may", async () => {
  const namespaceId = await newNamespace();
  const lost = await Promise.all(Array.from({ length: 30 }, () => loseRun(namespaceId)));
  assert.equal((await rescue(5)).length, 5);
  const passes = await Promise.all(Array.from({ length: 4 }, () => rescue()));
  const left = await rescue();
  assert.equal(passes.flat().length + left.length, 25);
  for (const { id } of lost) {
    const run = await findRun(store, namespaceId, id);
    assert.deepEqual([run?.state, run?.attempts.length], ["scheduled", 1]);
  }
});

test("what is queued, waiting or finished has no worker to lose", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const [retried, ended] = [
    await startRun(store, namespaceId, workerId),
    await startRun(store, namespaceId, workerId),
  ];
  await finishAttempts(store, workerId, [
    finished(retried, workerId, retryAfter(1_000)),
    finished(ended, workerId, { state: "succeeded", result: null }),
  ]);
  await removeWorker(db, workerId);
  assert.deepEqual(await rescue(), []);
});
