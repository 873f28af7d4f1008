import assert from "node:assert/strict";
import { before, test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { BellhopError } from "../errors.ts";
import { deployRevision } from "./functions/deploy.ts";
import { findFunction, listFunctions } from "./functions/functions.ts";
import { newId } from "./ids.ts";
import { cancelRuns, discardDeadLetter } from "./runs/cancel.ts";
import { redriveDeadLetters } from "./runs/dead-letters.ts";
import { enqueueInvocation, enqueueTaskRun } from "./runs/enqueue.ts";
import { finishAttempts } from "./runs/finish.ts";
import { estimateRuns, findRun, listRuns } from "./runs/read.ts";
import { createTask } from "./tasks/create.ts";
import { cancelTask } from "./tasks/end.ts";
import { pauseTask, resumeTask } from "./tasks/pause-resume.ts";
import { findTask, listTasks } from "./tasks/read.ts";
import { changeTask } from "./tasks/redefine.ts";
import {
  deployFunction,
  finished,
  httpTask,
  makeWorker,
  queueRun,
  revision,
  SAMPLE_ERROR,
  startRun,
} from "./testing/samples.ts";
import { openTestStore } from "./testing/test-store.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);
const now = new Date();
let ours: string;
let theirs: string;
/** What the other namespace owns. */
const alien = { task: "", queued: "", running: "", dead: "", ended: "" };

before(async () => {
  [ours, theirs] = [await newNamespace(), await newNamespace()];
  const workerId = await makeWorker(db);
  alien.task = (
    await createTask(store, { namespaceId: theirs, input: httpTask({ kind: "every", everyMs: 60_000 }), now })
  ).task.id;
  alien.queued = await queueRun(store, theirs);
  const [running, dead, ended] = [
    await startRun(store, theirs, workerId),
    await startRun(store, theirs, workerId),
    await startRun(store, theirs, workerId),
  ];
  await finishAttempts(store, workerId, [
    finished(dead, workerId, { state: "dead", error: SAMPLE_ERROR }),
    finished(ended, workerId, { state: "succeeded", result: 1 }),
  ]);
  [alien.running, alien.dead, alien.ended] = [running.id, dead.id, ended.id];
  await deployFunction(db, theirs, "greet");
});

/** Everything of the other namespace as its owner sees it. */
async function alienState() {
  return {
    tasks: await listTasks(store, theirs, {}, { limit: 50 }),
    runs: await listRuns(store, theirs, {}, { limit: 50 }),
    functions: await listFunctions(db, theirs, 50, undefined),
  };
}

test("nothing of another namespace can be read", async () => {
  assert.equal(await findTask(store, ours, alien.task), undefined);
  assert.deepEqual(await listTasks(store, ours, {}, { limit: 50 }), { rows: [], nextId: null });
  for (const runId of [alien.queued, alien.running, alien.dead, alien.ended]) {
    assert.ok(await findRun(store, theirs, runId), "it is there for its owner");
    assert.equal(await findRun(store, ours, runId), undefined);
  }
  for (const filter of [{}, { state: ["dead" as const] }, { taskId: alien.task }, { function: "greet" }]) {
    assert.deepEqual(await listRuns(store, ours, filter, { limit: 50 }), { rows: [], nextId: null });
    assert.equal(await estimateRuns(store, ours, filter), 0);
  }
  assert.equal(await findFunction(db, ours, "greet"), undefined);
  assert.deepEqual(await listFunctions(db, ours, 50, undefined), []);
});

test("nothing of another namespace can be changed", async () => {
  const before = await alienState();
  const hidden = (error: unknown) => error instanceof BellhopError && error.code === "not_found";
  await assert.rejects(pauseTask(store, ours, alien.task, now), hidden);
  await assert.rejects(resumeTask(store, ours, alien.task, now), hidden);
  await assert.rejects(cancelTask(store, ours, alien.task, now), hidden);
  await assert.rejects(
    changeTask(store, ours, alien.task, now, () => assert.fail("not asked")),
    hidden,
  );
  assert.equal(await enqueueTaskRun(store, ours, alien.task), undefined);
  const invocation = {
    runId: newId(),
    namespaceId: ours,
    functionName: "greet",
    input: 1,
    timeoutMs: 1,
    awaited: false,
  };
  assert.equal(await enqueueInvocation(store, invocation), undefined);
  for (const runId of [alien.queued, alien.running, alien.dead, alien.ended]) {
    assert.deepEqual(await cancelRuns(store, ours, { runId }), { ended: [], asked: [] });
    assert.equal(await discardDeadLetter(store, ours, runId), undefined);
    assert.deepEqual(await redriveDeadLetters(store, ours, { runId }), []);
  }
  assert.deepEqual(await cancelRuns(store, ours, { taskId: alien.task }), { ended: [], asked: [] });
  assert.deepEqual(await redriveDeadLetters(store, ours, { taskId: alien.task }), []);
  assert.deepEqual(await redriveDeadLetters(store, ours, {}), []);
  assert.deepEqual(await alienState(), before);
});

test("the same name in two namespaces is two functions", async () => {
  const before = (await findFunction(db, theirs, "greet"))!;
  const { fn, created } = await deployRevision(db, ours, "greet", revision("ours"));
  assert.ok(created);
  assert.notEqual(fn.id, before.id);
  assert.equal(fn.revision.number, 1);
  assert.deepEqual(await findFunction(db, theirs, "greet"), before);
});
