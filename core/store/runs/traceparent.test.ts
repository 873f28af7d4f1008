/** Wherever a run goes, it keeps what made it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { newId } from "../ids.ts";
import { createTask } from "../tasks/create.ts";
import {
  ANY_TIME,
  claim,
  deployFunction,
  finished,
  httpTask,
  makeWorker,
  retryAfter,
  SAMPLE_ERROR,
} from "../testing/samples.ts";
import { stageDueTasks } from "../testing/stage-runs.ts";
import { openTestStore } from "../testing/test-store.ts";
import { cancelRuns } from "./cancel.ts";
import { redriveDeadLetters } from "./dead-letters.ts";
import { recordDirectRuns, showDirectRun } from "./direct.ts";
import { enqueueInvocation, enqueueTaskRun } from "./enqueue.ts";
import { finishAttempts } from "./finish.ts";
import { queueDueRetries } from "./queue-retries.ts";
import { findRun } from "./read.ts";
import { rescueLostRuns } from "./rescue.ts";

const { store, newNamespace } = await openTestStore(createTestDatabase);
const { db } = store;
const workerId = await makeWorker(db);
const TRACE = "a".repeat(32);
const REQUEST = `00-${TRACE}-${"b".repeat(16)}-01`;

/** A run of a task that a traced request made. */
async function makeRun(): Promise<{ namespaceId: string; taskId: string; runId: string }> {
  const namespaceId = await newNamespace();
  const { task, run } = await createTask(store, {
    namespaceId,
    input: httpTask({ kind: "now" }),
    now: new Date(),
    id: newId(),
    traceparent: REQUEST,
  });
  assert.equal(run!.traceparent, REQUEST);
  return { namespaceId, taskId: task.id, runId: run!.runId };
}

async function traceOf(namespaceId: string, runId: string): Promise<string | null | undefined> {
  return (await findRun(store, namespaceId, runId))?.traceId;
}

test("through retries, a dead letter, a redrive and its end", async () => {
  const { namespaceId, runId } = await makeRun();
  const first = await claim(store, workerId, runId);
  assert.equal(first.traceparent, REQUEST);
  await finishAttempts(store, workerId, [finished(first, workerId, retryAfter(0))]);
  const [retry] = await queueDueRetries(store, new Date(Date.now() + 1_000), 10);
  assert.deepEqual([retry!.runId, retry!.traceparent], [runId, REQUEST]);
  const second = await claim(store, workerId, runId);
  assert.deepEqual([second.attempt, second.traceparent], [2, REQUEST]);
  await finishAttempts(store, workerId, [finished(second, workerId, { state: "dead", error: SAMPLE_ERROR })]);
  assert.equal((await redriveDeadLetters(store, namespaceId, { runId }))[0]!.traceparent, REQUEST);
  const third = await claim(store, workerId, runId);
  assert.equal(third.traceparent, REQUEST);
  await finishAttempts(store, workerId, [finished(third, workerId, { state: "succeeded", result: null })]);
  assert.equal(await traceOf(namespaceId, runId), TRACE);
});

test("when it is cancelled, and when its worker is lost", async () => {
  const cancelled = await makeRun();
  await cancelRuns(store, cancelled.namespaceId, { runId: cancelled.runId });
  assert.equal(await traceOf(cancelled.namespaceId, cancelled.runId), TRACE);
  const lost = await makeRun();
  const goneWorkerId = newId();
  await claim(store, goneWorkerId, lost.runId);
  assert.equal((await rescueLostRuns(store, new Date(), ANY_TIME, 10))[0]!.runId, lost.runId);
  assert.equal(await traceOf(lost.namespaceId, lost.runId), TRACE);
});

test("an occurrence remembers what staged it, which is told of the request that made the task", async () => {
  const namespaceId = await newNamespace();
  const now = new Date();
  const schedule = { kind: "every", everyMs: 60_000 } as const;
  const { task } = await createTask(store, {
    namespaceId,
    input: httpTask(schedule),
    now,
    id: newId(),
    traceparent: REQUEST,
  });
  const later = new Date(now.getTime() + 60_000);
  const staging = `00-${"c".repeat(32)}-${"d".repeat(16)}-01`;
  const [staged] = await stageDueTasks(store, later, later, 10, {
    trace(occurrence) {
      assert.deepEqual([occurrence.taskId, occurrence.taskTraceparent], [task.id, REQUEST]);
      return staging;
    },
  });
  assert.equal(staged!.traceparent, staging);
  assert.equal(await traceOf(namespaceId, staged!.runId), "c".repeat(32));
});

test("a run on demand and an invocation remember the request that asked", async () => {
  const { namespaceId, taskId } = await makeRun();
  const onDemand = await enqueueTaskRun(store, namespaceId, taskId, newId(), REQUEST);
  assert.equal(await traceOf(namespaceId, onDemand!.runId), TRACE);
  await deployFunction(db, namespaceId, "called");
  const request = {
    runId: newId(),
    namespaceId,
    functionName: "called",
    input: null,
    timeoutMs: 100,
    awaited: false,
  };
  const invoked = await enqueueInvocation(store, { ...request, traceparent: REQUEST });
  assert.equal(invoked!.traceparent, REQUEST);
  assert.equal(await traceOf(namespaceId, invoked!.runId), TRACE);
  const untraced = await enqueueInvocation(store, { ...request, runId: newId() });
  assert.equal(await traceOf(namespaceId, untraced!.runId), null);
});

test("a direct call does, shown while it runs or written when it has ended", async () => {
  const namespaceId = await newNamespace();
  const functionId = await deployFunction(db, namespaceId, "called");
  const facts = {
    namespaceId,
    functionId,
    revisionId: newId(),
    trigger: "invoke" as const,
    input: null,
    timeoutMs: 100,
  };
  const shown = { ...facts, id: newId(), ageMs: 1, traceparent: REQUEST };
  await showDirectRun(store, workerId, shown);
  assert.equal(await traceOf(namespaceId, shown.id), TRACE);
  const at = new Date().toISOString();
  const ended = {
    ...{
      ...facts,
      runId: newId(),
      claimNo: 1,
      taskId: null,
      type: "function" as const,
      durationMs: 1,
      hasOwnClock: true as const,
    },
    ...{ holdsPermits: false, hasCallbacks: false, functionName: "called" },
    ...{ verdict: { state: "succeeded", result: 1 } as const, logs: [], traceparent: REQUEST },
    record: { attempt: 1, workerId, startedAt: at, finishedAt: at, error: null, traceId: TRACE },
  };
  await recordDirectRuns(store, workerId, [ended]);
  const run = await findRun(store, namespaceId, ended.runId);
  assert.deepEqual([run!.traceId, run!.attempts[0]!.traceId], [TRACE, TRACE]);
});
