/** A change that meets the runs of its task: from its commit on none begins with the definition that was. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { Store } from "../database.ts";
import { newId } from "../ids.ts";
import { cancelRuns } from "../runs/cancel.ts";
import { type ClaimedRun, claimRuns } from "../runs/claim.ts";
import { redriveDeadLetters } from "../runs/dead-letters.ts";
import { enqueueTaskRun } from "../runs/enqueue.ts";
import { finishAttempts } from "../runs/finish.ts";
import { findRun } from "../runs/read.ts";
import { claim, finished, httpTask, makeWorker, retryAfter, SAMPLE_ERROR } from "../testing/samples.ts";
import { stageDueTasks } from "../testing/stage-runs.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { createTask } from "./create.ts";
import { cancelTask } from "./end.ts";
import { pauseTask } from "./pause-resume.ts";
import { changeTask, changeTaskIn } from "./redefine.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

const [OLD, NEW] = ["https://example.com/old", "https://example.com/new"];
const input = (url: string) =>
  httpTask(
    { kind: "every", everyMs: 3_600_000 },
    { spec: { type: "http", method: "GET", url, headers: {}, followRedirects: true } },
  );
const toNew = async () => ({ input: input(NEW), functionId: null, reschedules: false });
const urlsOf = (runs: ClaimedRun[]) => runs.map(({ spec }) => (spec.type === "http" ? spec.url : spec.type));

async function makeTask() {
  const namespaceId = await newNamespace();
  const { task } = await createTask(store, { namespaceId, input: input(OLD), now: new Date() });
  return { namespaceId, id: task.id, workerId: await makeWorker(db) };
}

type Made = Awaited<ReturnType<typeof makeTask>>;
const change = ({ namespaceId, id }: Made) => changeTask(store, namespaceId, id, new Date(), toNew);

/**
 * The claim of a run that has begun, and sees the database as it is now, but takes nothing before it is let go: as where
 * the machine is busy.
 */
async function beginClaim(workerId: string, runId: string) {
  const holder = await store.pool.connect();
  await holder.query("SELECT pg_advisory_lock(7)");
  let isHeld = false;
  const held = {
    ...store,
    plannedPool: {
      async query(statement: { text: string; values: unknown[] }) {
        const text = statement.text.replace(
          "FROM task_runs_open r",
          "FROM (SELECT pg_advisory_xact_lock(7) OFFSET 0) AS held CROSS JOIN task_runs_open r",
        );
        isHeld ||= text !== statement.text;
        return await store.pool.query({ ...statement, name: undefined, text });
      },
    },
  } as unknown as Store;
  const claimed = claimRuns(held, workerId, [runId]);
  await untilBlocked(store);
  assert.ok(isHeld);
  return async () => {
    await holder.query("SELECT pg_advisory_unlock(7)");
    holder.release();
    return await claimed;
  };
}

/** Runs that wait, each in its way. */
const WAITING: Record<string, (made: Made) => Promise<string>> = {
  "that was asked for": async ({ namespaceId, id }) => (await enqueueTaskRun(store, namespaceId, id))!.runId,
  "whose occurrence is due": async ({ id }) => {
    await store.pool.query("UPDATE tasks SET next_run_at = clock_timestamp() WHERE id = $1", [id]);
    const [run] = await stageDueTasks(store, new Date(), new Date(Date.now() + 60_000), 10);
    return run!.runId;
  },
  "that is tried again": async ({ namespaceId, id, workerId }) => {
    const run = await claim(store, workerId, (await enqueueTaskRun(store, namespaceId, id))!.runId);
    await finishAttempts(store, workerId, [finished(run, workerId, retryAfter(-1_000))]);
    await store.pool.query("UPDATE task_runs_open SET state = 'queued' WHERE id = $1", [run.id]);
    return run.id;
  },
};

for (const [which, makeRun] of Object.entries(WAITING)) {
  test(`a claim that began before a change does not take a run ${which} with what was`, async () => {
    const made = await makeTask();
    const runId = await makeRun(made);
    const before = await findRun(store, made.namespaceId, runId);
    const letGo = await beginClaim(made.workerId, runId);
    const { waiting } = await change(made);
    assert.deepEqual(urlsOf(await letGo()), []);
    assert.deepEqual(await findRun(store, made.namespaceId, runId), before, "the run is as it was");
    assert.deepEqual(
      waiting.map((run) => run.runId),
      [runId],
      "to be rung: whoever was about to claim it has missed it",
    );
    assert.deepEqual(urlsOf(await claimRuns(store, made.workerId, [runId])), [NEW]);
  });
}

test("a claim that began before a cancel takes nothing of the task", async () => {
  const made = await makeTask();
  const { runId } = (await enqueueTaskRun(store, made.namespaceId, made.id))!;
  const letGo = await beginClaim(made.workerId, runId);
  await cancelTask(store, made.namespaceId, made.id, new Date());
  assert.deepEqual(await letGo(), []);
  assert.equal((await findRun(store, made.namespaceId, runId))?.state, "cancelled");
});

test("what was staged ahead is taken back by a pause and by a change, also from a claim that has begun", async () => {
  for (const act of [change, ({ namespaceId, id }: Made) => pauseTask(store, namespaceId, id, new Date())]) {
    const made = await makeTask();
    const horizon = new Date(Date.now() + 2 * 3_600_000);
    const [staged] = await stageDueTasks(store, new Date(), horizon, 10);
    const letGo = await beginClaim(made.workerId, staged!.runId);
    await act(made);
    assert.deepEqual(await letGo(), []);
    assert.equal(await findRun(store, made.namespaceId, staged!.runId), undefined);
    await clear();
  }
});

test("a run that comes back to wait while its task changes waits for the change", async () => {
  const made = await makeTask();
  const { namespaceId, id, workerId } = made;
  const run = await claim(store, workerId, (await enqueueTaskRun(store, namespaceId, id))!.runId);
  let ended: Promise<unknown> | undefined;
  await inTransaction(store.pool, async (tx) => {
    const { waiting } = await changeTaskIn(tx, namespaceId, id, new Date(), toNew);
    assert.deepEqual(waiting, [], "one that runs keeps what it started with");
    ended = finishAttempts(store, workerId, [finished(run, workerId, retryAfter(-1_000))]);
    await untilBlocked(store);
  });
  await ended;
  await store.pool.query("UPDATE task_runs_open SET state = 'queued' WHERE id = $1", [run.id]);
  assert.deepEqual(urlsOf(await claimRuns(store, workerId, [run.id])), [NEW]);
});

test("a dead letter is redriven before the change or after it", async () => {
  const made = await makeTask();
  const { namespaceId, id, workerId } = made;
  const run = await claim(store, workerId, (await enqueueTaskRun(store, namespaceId, id))!.runId);
  await finishAttempts(store, workerId, [finished(run, workerId, { state: "dead", error: SAMPLE_ERROR })]);
  let redriven: Promise<unknown> | undefined;
  await inTransaction(store.pool, async (tx) => {
    await changeTaskIn(tx, namespaceId, id, new Date(), toNew);
    redriven = redriveDeadLetters(store, namespaceId, { runIds: [run.id] });
    await untilBlocked(store);
  });
  await redriven;
  assert.deepEqual(urlsOf(await claimRuns(store, workerId, [run.id])), [NEW]);
});

test("changes, claims and ends of one task's runs that meet lose no run and leave none behind", async () => {
  const made = await makeTask();
  const { namespaceId, id, workerId } = made;
  const runs = await Promise.all(
    Array.from({ length: 40 }, async () => (await enqueueTaskRun(store, namespaceId, id))!.runId),
  );
  const states = new Map<string, string>();
  const work = async (runId: string) => {
    for (let tries = 0; tries < 1_000; tries += 1) {
      const [claimed] = await claimRuns(store, workerId, [runId]);
      if (!claimed) continue;
      const verdict = { state: "succeeded", result: null } as const;
      const { ended } = await finishAttempts(store, workerId, [finished(claimed, workerId, verdict)]);
      states.set(runId, ended.length === 1 ? "succeeded" : "lost");
      return;
    }
  };
  await Promise.all([...runs.map(work), ...Array.from({ length: 8 }, () => change(made))]);
  assert.deepEqual([...states.values()], Array(runs.length).fill("succeeded"));
  const again = await enqueueTaskRun(store, namespaceId, id, newId());
  await change(made);
  assert.equal((await cancelRuns(store, namespaceId, { taskId: id })).ended[0]?.runId, again!.runId);
});
