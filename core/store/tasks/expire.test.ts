import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { v7 } from "uuid";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { enqueueTaskRun } from "../runs/enqueue.ts";
import { finishAttempts } from "../runs/finish.ts";
import { claim, finished, httpTask, makeWorker, SAMPLE_ERROR } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { createTask } from "./create.ts";
import { cancelTask, removeTask } from "./end.ts";
import { removeExpiredTasks } from "./expire.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

const DAY_MS = 86_400_000;
const CUTOFF = new Date();
const OLD = new Date(CUTOFF.getTime() - DAY_MS);
const namespaceId = await newNamespace();
const hourly: Schedule = { kind: "every", everyMs: 3_600_000 };

/** A task made a day before the cutoff, with the id of that day. */
async function makeOld(schedule: Schedule = { kind: "now" }) {
  const id = v7({ msecs: OLD.getTime() });
  const { run } = await createTask(store, { namespaceId, input: httpTask(schedule), now: OLD, id });
  return { id, runId: run?.runId };
}

/** What the retention does to a day of finished runs. */
const dropFinishedRuns = () => store.pool.query("DELETE FROM task_runs WHERE finished_at < 'infinity'");

async function end(runId: string, state: "succeeded" | "dead"): Promise<void> {
  const workerId = await makeWorker(db);
  const run = await claim(store, workerId, runId);
  const verdict =
    state === "dead" ? { state, error: SAMPLE_ERROR } : ({ state: "succeeded", result: null } as const);
  await finishAttempts(store, workerId, [finished(run, workerId, verdict)]);
}

const expire = async (before = CUTOFF) => (await removeExpiredTasks(store, before, 100)).removed;
async function listIds(): Promise<string[]> {
  const rows = await db.selectFrom("tasks").select("id").orderBy("id").execute();
  return rows.map(({ id }) => id);
}

test("a task that is over goes once no run of it is kept", async () => {
  const { id, runId } = await makeOld();
  assert.equal(await expire(), 0, "its run waits");
  await end(runId!, "succeeded");
  assert.equal(await expire(), 0, "its run is kept");
  await dropFinishedRuns();
  assert.deepEqual(await listIds(), [id]);
  assert.equal(await expire(), 1);
  assert.deepEqual(await listIds(), []);
});

test("a dead letter keeps its task, removed or not", async () => {
  const [kept, removed] = [await makeOld(), await makeOld()];
  for (const { runId } of [kept, removed]) await end(runId!, "dead");
  await removeTask(store, namespaceId, removed.id, OLD);
  await dropFinishedRuns();
  assert.equal(await expire(), 0);
  assert.deepEqual(await listIds(), [kept.id, removed.id].toSorted());
});

test("what is not over, or ended lately, stays", async () => {
  const active = await makeOld(hourly);
  const cancelled = await makeOld(hourly);
  await cancelTask(store, namespaceId, cancelled.id, CUTOFF);
  const { task: young } = await createTask(store, {
    ...{ namespaceId, input: httpTask({ kind: "now" }), now: new Date() },
  });
  await store.pool.query("DELETE FROM task_runs");
  assert.equal(await expire(), 0);
  assert.deepEqual(await listIds(), [active.id, cancelled.id, young.id].toSorted());
  assert.equal(await expire(new Date(CUTOFF.getTime() + 1)), 1, "the cancelled one, a day after its end");
});

test("a task that was removed without open runs leaves no row; with one it goes after that", async () => {
  const [idle, busy] = [await makeOld(hourly), await makeOld(hourly)];
  const workerId = await makeWorker(db);
  const staged = await enqueueTaskRun(store, namespaceId, busy.id);
  const run = await claim(store, workerId, staged!.runId);
  for (const { id } of [idle, busy]) await removeTask(store, namespaceId, id, OLD);
  assert.deepEqual(await listIds(), [busy.id]);
  assert.equal(await expire(), 0);
  await finishAttempts(store, workerId, [finished(run, workerId, { state: "cancelled" })]);
  await dropFinishedRuns();
  assert.equal(await expire(), 1);
});

test("batches go on where the last one ended, past tasks that stay", async () => {
  const made = [await makeOld(), await makeOld(), await makeOld()];
  const [first] = made.map(({ id }) => id).toSorted();
  await store.pool.query("DELETE FROM task_runs WHERE task_id <> $1", [first]);
  const one = await removeExpiredTasks(store, CUTOFF, 1);
  assert.deepEqual(one, { removed: 0, lastId: first });
  const rest = await removeExpiredTasks(store, CUTOFF, 5, one.lastId);
  assert.deepEqual(rest, { removed: 2, lastId: undefined });
});

test("a run that is made while a task expires keeps it", async () => {
  const { id } = await makeOld();
  await store.pool.query("DELETE FROM task_runs");
  const expired = await inTransaction(store.pool, async (tx) => {
    await enqueueTaskRun(tx, namespaceId, id);
    // Locked by somebody who makes a run of it: passed over.
    return await removeExpiredTasks(store, CUTOFF, 10);
  });
  assert.equal(expired.removed, 0);
  assert.equal(await expire(), 0);
});
