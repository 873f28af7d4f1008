import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { RunVerdict } from "../../domain/retry.ts";
import { discardDeadLetter } from "../runs/cancel.ts";
import { enqueueTaskRun } from "../runs/enqueue.ts";
import { finishAttempts } from "../runs/finish.ts";
import { claim, finished, type GivenTask, httpTask, makeWorker, SAMPLE_ERROR } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { createTask } from "./create.ts";
import { pauseFailingTask } from "./pause-failing.ts";
import { pauseTask, resumeTask } from "./pause-resume.ts";
import { findTask } from "./read.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

const FAILED = { state: "failed", error: SAMPLE_ERROR } as const;
const DEAD = { state: "dead", error: SAMPLE_ERROR } as const;
const SUCCEEDED = { state: "succeeded", result: null } as const;

async function makeTask(given: GivenTask = { pauseAfterFailures: 3 }) {
  const namespaceId = await newNamespace();
  const input = httpTask({ kind: "every", everyMs: 3_600_000 }, given);
  const { task } = await createTask(store, { namespaceId, input, now: new Date() });
  const workerId = await makeWorker(db);
  return {
    namespaceId,
    id: task.id,
    /** Runs of the task that end so, one after the other; their ids. */
    async end(...verdicts: RunVerdict[]): Promise<string[]> {
      const ids: string[] = [];
      for (const verdict of verdicts) {
        const { runId } = (await enqueueTaskRun(store, namespaceId, task.id))!;
        const run = await claim(store, workerId, runId);
        await finishAttempts(store, workerId, [finished(run, workerId, verdict)]);
        ids.push(runId);
      }
      return ids;
    },
    pause: () => pauseFailingTask(store, namespaceId, task.id),
    read: async () => (await findTask(store, namespaceId, task.id))!,
  };
}

test("so many failed runs in a row pause the task, which says why and since when", async () => {
  const { end, pause, read } = await makeTask();
  await end(FAILED, DEAD);
  assert.equal(await pause(), undefined, "two of three");
  assert.deepEqual([(await read()).state, (await read()).pausedReason], ["active", null]);
  const before = Date.now();
  await end(FAILED);
  const paused = await pause();
  assert.deepEqual([paused?.state, paused?.pausedReason], ["paused", "failures"]);
  assert.ok(paused!.pausedAt!.getTime() >= before - 1_000);
  assert.deepEqual(await read(), paused);
  assert.equal(await pause(), undefined, "once");
});

test("a run that succeeded begins the count anew; a cancelled one counts neither way", async () => {
  const { end, pause, read } = await makeTask();
  await end(FAILED, FAILED, SUCCEEDED, FAILED, FAILED);
  assert.equal(await pause(), undefined);
  await end({ state: "cancelled" });
  assert.equal(await pause(), undefined);
  await end(FAILED);
  assert.ok(await pause());
  assert.equal((await read()).state, "paused");
});

test("a resume begins the count anew, whatever becomes of what had failed before", async () => {
  const { namespaceId, id, end, pause, read } = await makeTask();
  const [dead] = await end(DEAD, FAILED, FAILED);
  assert.ok(await pause());
  const resumed = await resumeTask(store, namespaceId, id, new Date());
  assert.deepEqual([resumed.state, resumed.pausedAt, resumed.pausedReason], ["active", null, null]);
  assert.ok(await discardDeadLetter(store, namespaceId, dead!));
  await end(FAILED, FAILED);
  assert.equal(await pause(), undefined);
  await end(FAILED);
  assert.ok(await pause());
  assert.equal((await read()).state, "paused");
});

test("several looks at once pause it once", async () => {
  const { end, pause } = await makeTask();
  await end(FAILED, FAILED, FAILED);
  const looks = await Promise.all(Array.from({ length: 5 }, pause));
  assert.equal(looks.filter((paused) => paused !== undefined).length, 1);
});

test("a task that does not ask for it is not paused, nor is another namespace's, or one that is paused already", async () => {
  const patient = await makeTask({});
  await patient.end(FAILED, FAILED, FAILED);
  assert.equal(await patient.pause(), undefined);
  const { namespaceId, id, end, read } = await makeTask({ pauseAfterFailures: 1 });
  await end(FAILED);
  assert.equal(await pauseFailingTask(store, await newNamespace(), id), undefined);
  await pauseTask(store, namespaceId, id, new Date());
  assert.equal(await pauseFailingTask(store, namespaceId, id), undefined);
  assert.equal((await read()).pausedReason, "requested");
});
