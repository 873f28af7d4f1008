import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { BellhopError } from "../../errors.ts";
import { newId } from "../ids.ts";
import { createTask } from "../tasks/create.ts";
import { cancelTask } from "../tasks/end.ts";
import { pauseTask } from "../tasks/pause-resume.ts";
import { findTask } from "../tasks/read.ts";
import { claim, deployFunction, httpTask, makeWorker } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { enqueueInvocation, enqueueTaskRun } from "./enqueue.ts";
import { findRun } from "./read.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

test("a run on somebody's word is due at once and leaves the schedule alone", async () => {
  const namespaceId = await newNamespace();
  const input = httpTask({ kind: "every", everyMs: 3_600_000 });
  const { task } = await createTask(store, { namespaceId, input, now: new Date() });
  const first = await enqueueTaskRun(store, namespaceId, task.id);
  const second = await enqueueTaskRun(store, namespaceId, task.id);
  assert.notEqual(first!.runId, second!.runId);
  const claimed = await claim(store, await makeWorker(db), first!.runId);
  assert.deepEqual([claimed.taskId, claimed.scheduledFor], [task.id, first!.availableAt]);
  assert.deepEqual((await findTask(store, namespaceId, task.id))?.nextRunAt, task.nextRunAt);
});

test("a paused task runs on somebody's word, a cancelled one does not", async () => {
  const namespaceId = await newNamespace();
  const { task } = await createTask(store, {
    namespaceId,
    input: httpTask({ kind: "every", everyMs: 60_000 }),
    now: new Date(),
  });
  await pauseTask(store, namespaceId, task.id, new Date());
  assert.ok(await enqueueTaskRun(store, namespaceId, task.id));
  await cancelTask(store, namespaceId, task.id, new Date());
  await assert.rejects(enqueueTaskRun(store, namespaceId, task.id), (error) => {
    return error instanceof BellhopError && error.code === "task_cancelled" && error.status === 409;
  });
});

test("a task that is not there is told by undefined", async () => {
  assert.equal(await enqueueTaskRun(store, await newNamespace(), newId()), undefined);
});

test("an invocation keeps its input as it was, NUL aside, and its id", async () => {
  const namespaceId = await newNamespace();
  await deployFunction(db, namespaceId, "greet");
  const runId = newId();
  const input = { text: `a${String.fromCharCode(0)}b`, deep: [{ n: null }] };
  const request = { runId, namespaceId, functionName: "greet", input, timeoutMs: 1_000, awaited: false };
  assert.equal((await enqueueInvocation(store, request))?.runId, runId);
  assert.equal(
    await enqueueInvocation(store, { ...request, runId: newId(), functionName: "nobody" }),
    undefined,
  );
  const run = await findRun(store, namespaceId, runId);
  assert.deepEqual(
    [run?.state, run?.taskId, run?.functionName, run?.type],
    ["queued", null, "greet", "function"],
  );
  const { spec } = await claim(store, await makeWorker(db), runId);
  assert.deepEqual(spec, {
    type: "function",
    function: "greet",
    input: { text: "a\ufffdb", deep: [{ n: null }] },
  });
});
