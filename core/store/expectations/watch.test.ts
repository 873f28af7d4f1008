import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { Callbacks } from "../../domain/callbacks.ts";
import { FIRST_EVENT } from "../../domain/event-position.ts";
import type { RunVerdict } from "../../domain/retry.ts";
import { readEvents } from "../events/read.ts";
import { newId } from "../ids.ts";
import { cancelRuns } from "../runs/cancel.ts";
import { redriveDeadLetters } from "../runs/dead-letters.ts";
import { enqueueTaskRun } from "../runs/enqueue.ts";
import { finishAttempts } from "../runs/finish.ts";
import { findRun, listRuns } from "../runs/read.ts";
import { settleHeldRuns } from "../runs/settle-held.ts";
import { stageOccurrences } from "../runs/stage.ts";
import { putSettings } from "../settings.ts";
import { createTask } from "../tasks/create.ts";
import { cancelTask, removeTask } from "../tasks/end.ts";
import { pauseTask } from "../tasks/pause-resume.ts";
import { changeTask } from "../tasks/redefine.ts";
import {
  claim,
  deployFunction,
  finished,
  type GivenTask,
  httpTask,
  makeWorker,
  queueRun,
  retryAfter,
  SAMPLE_ERROR,
} from "../testing/samples.ts";
import { stageDueTasks } from "../testing/stage-runs.ts";
import { openTestStore, untilEventsSettled } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { removeExpiredExpectations } from "./expire.ts";
import { watchExpectations } from "./watch.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const HOUR_MS = 3_600_000;
const EXPECT = { withinMs: HOUR_MS };
const LATE: Callbacks = { late: [{ type: "http", url: "https://example.com/late" }] };
const SUCCEEDED: RunVerdict = { state: "succeeded", result: 7 };
const DEAD: RunVerdict = { state: "dead", error: SAMPLE_ERROR };
const fromNow = (ms: number) => new Date(Date.now() + ms);

let namespaceId: string;
let workerId: string;
beforeEach(async () => {
  await clear();
  await sql`DELETE FROM expectations`.execute(db);
  namespaceId = await newNamespace();
  workerId = await makeWorker(db);
});

const work = async (runId: string, verdict: RunVerdict) =>
  await finishAttempts(store, workerId, [finished(await claim(store, workerId, runId), workerId, verdict)]);

const watch = (now: Date, limit = 100) => watchExpectations(store, now, limit);
const expectationOf = async (runId: string) => (await findRun(store, namespaceId, runId))?.expectation;

/** What is told of late runs, oldest first. */
async function listTold() {
  await untilEventsSettled(store);
  const { events } = await readEvents(store, namespaceId, FIRST_EVENT, 1_000);
  return events.filter(({ type }) => /late|overran/.test(type));
}
const typesOf = async () => (await listTold()).map(({ type }) => type);

async function listRows() {
  const { rows } = await sql<{ run_id: string; missed_at: Date | null; look_at: Date | null }>`
    SELECT run_id, missed_at, look_at FROM expectations ORDER BY id`.execute(db);
  return rows;
}

async function listCallbacks() {
  // biome-ignore lint/suspicious/noExplicitAny: what is sent is looked at field by field
  const { rows } = await sql<{ id: string; callback_of: string | null; task_id: string | null; input: any }>`
    SELECT id, callback_of, task_id, input FROM task_runs_open WHERE trigger = 'callback' ORDER BY id`.execute(
    db,
  );
  return rows;
}

async function makeTask(given: GivenTask = {}, everyMs = HOUR_MS, madeMsAgo = everyMs) {
  const input = httpTask({ kind: "every", everyMs }, { expect: EXPECT, overlap: "allow", ...given });
  return (await createTask(store, { namespaceId, input, now: fromNow(-madeMsAgo) })).task;
}

/** The run of the instant that is now. */
async function stage(now = new Date()): Promise<string> {
  const [run] = await stageDueTasks(store, now, now, 10);
  return run!.runId;
}

test("a run that succeeds in time is told of by nobody, whenever somebody looks", async () => {
  const runId = await queueRun(store, namespaceId, { expect: EXPECT, on: LATE });
  assert.equal((await watch(fromNow(HOUR_MS / 2))).missed, 0);
  await work(runId, retryAfter(0));
  await sql`UPDATE task_runs_open SET state = 'queued', available_at = now() WHERE id = ${runId}`.execute(db);
  await work(runId, SUCCEEDED);
  assert.deepEqual(await watch(fromNow(24 * HOUR_MS)), { hasMore: false, missed: 0, overran: 0, called: [] });
  assert.deepEqual([await expectationOf(runId), await listRows(), await listTold()], [null, [], []]);
});

test("a run that does not is told of once, whoever looks and however often, with all that follows", async () => {
  const runId = await queueRun(store, namespaceId, { expect: EXPECT, on: LATE, name: "nightly" });
  await claim(store, workerId, runId);
  const due = fromNow(HOUR_MS + 1_000);
  const passes = await Promise.all([watch(due), watch(due), watch(due)]);
  await watch(fromNow(2 * HOUR_MS));
  assert.equal(
    passes.reduce((sum, { missed }) => sum + missed, 0),
    1,
  );
  assert.equal(await expectationOf(runId), "missed");
  const [told, ...more] = await listTold();
  assert.deepEqual([told!.type, told!.runId, more], ["run.late", runId, []]);
  const run = (await findRun(store, namespaceId, runId))!;
  const dueAt = new Date(run.scheduledFor.getTime() + HOUR_MS);
  assert.deepEqual(new Date(told!.data["dueAt"] as string), dueAt);
  const [callback, ...others] = await listCallbacks();
  assert.deepEqual([callback!.callback_of, others], [runId, []]);
  assert.deepEqual(
    passes.flatMap(({ called }) => called.map((each) => each.runId)),
    [callback!.id],
  );
  const { type, data } = callback!.input.body;
  assert.deepEqual(
    [type, data.id, data.state, data.expectation, data.dueAt],
    ["bellhop.run.late", runId, "running", "missed", dueAt.toISOString()],
  );
  // It stays so when the run ends.
  await work(await released(runId), SUCCEEDED);
  assert.equal(await expectationOf(runId), "missed");
  assert.deepEqual(
    (await listRuns(store, namespaceId, { trigger: "schedule" }, { limit: 10 })).rows.map(
      ({ expectation }) => expectation,
    ),
    ["missed"],
  );
});

/** Given back by its worker. */
async function released(runId: string): Promise<string> {
  await sql`UPDATE task_runs_open SET state = 'queued', worker_id = NULL, started_at = NULL WHERE id = ${runId}`.execute(
    db,
  );
  return runId;
}

test("a run that succeeds too late is late, also where nobody looked before", async () => {
  const runId = await queueRun(store, namespaceId, { expect: { withinMs: 1 } });
  await work(runId, SUCCEEDED);
  await sql`UPDATE expectations SET due_at = scheduled_for`.execute(db);
  assert.equal((await watch(fromNow(1_000))).missed, 1);
  assert.equal(await expectationOf(runId), "missed");
});

test("a dead letter that is redriven may still succeed in time", async () => {
  const runId = await queueRun(store, namespaceId, { expect: EXPECT });
  await work(runId, DEAD);
  assert.equal((await watch(fromNow(HOUR_MS / 2))).missed, 0);
  await redriveDeadLetters(store, namespaceId, { runId });
  await work(runId, SUCCEEDED);
  assert.equal((await watch(fromNow(2 * HOUR_MS))).missed, 0);
});

test("a run that failed, or that somebody cancelled, has not succeeded", async () => {
  const failed = await queueRun(store, namespaceId, { expect: EXPECT });
  await work(failed, { state: "failed", error: SAMPLE_ERROR });
  const cancelled = await queueRun(store, namespaceId, { expect: EXPECT });
  await cancelRuns(store, namespaceId, { runId: cancelled });
  assert.equal((await watch(fromNow(2 * HOUR_MS))).missed, 2);
  assert.deepEqual([await expectationOf(failed), await expectationOf(cancelled)], ["missed", "missed"]);
});

test("a run whose end is under way is left to it", async () => {
  const runId = await queueRun(store, namespaceId, { expect: EXPECT });
  const run = await claim(store, workerId, runId);
  await inTransaction(store.pool, async (tx) => {
    await tx.pool.query("SELECT FROM task_runs_open WHERE id = $1 FOR UPDATE", [runId]);
    assert.equal((await watch(fromNow(2 * HOUR_MS), 1)).missed, 0);
  });
  await finishAttempts(store, workerId, [finished(run, workerId, SUCCEEDED)]);
  assert.equal((await watch(fromNow(2 * HOUR_MS))).missed, 0);
  assert.deepEqual(await listRows(), []);
});

test("a crash before the commit leaves nothing, and the next pass tells", async () => {
  const runId = await queueRun(store, namespaceId, { expect: EXPECT, on: LATE });
  await sql`CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'crash'; END $$`.execute(
    db,
  );
  // The last thing that the pass writes.
  await sql`CREATE TRIGGER crash BEFORE INSERT ON task_runs_open FOR EACH ROW
    WHEN (NEW.trigger = 'callback') EXECUTE FUNCTION crash()`.execute(db);
  try {
    await assert.rejects(watch(fromNow(2 * HOUR_MS)), /crash/);
  } finally {
    await sql`DROP FUNCTION crash() CASCADE`.execute(db);
  }
  assert.deepEqual([await expectationOf(runId), await listTold(), await listCallbacks()], [null, [], []]);
  assert.equal((await watch(fromNow(2 * HOUR_MS))).called.length, 1);
  assert.deepEqual([await expectationOf(runId), await typesOf()], ["missed", ["run.late"]]);
});

test("tasks that expect nothing write nothing, nor do runs that somebody asked for", async () => {
  await queueRun(store, namespaceId);
  await makeTask({ expect: null });
  await stage();
  const expecting = await makeTask({}, HOUR_MS, 0);
  await enqueueTaskRun(store, namespaceId, expecting.id);
  assert.deepEqual(await listRows(), []);
});

test("tasks with a key are watched from their beginning as well", async () => {
  const runId = await queueRun(store, namespaceId, { expect: { by: "08:00" }, key: `k${newId()}` });
  const [row] = await listRows();
  assert.equal(row!.run_id, runId);
  assert.equal(row!.look_at!.toISOString().slice(11), "08:00:00.000Z");
});

test("nobody expects a task any more that is cancelled, removed, or does not say so", async () => {
  for (const end of [
    (taskId: string) => cancelTask(store, namespaceId, taskId, new Date()),
    (taskId: string) => removeTask(store, namespaceId, taskId, new Date()),
    (taskId: string) =>
      changeTask(store, namespaceId, taskId, new Date(), async (task) => ({
        input: { ...task, policy: { ...task.policy, expect: null } },
        ...{ functionId: null, reschedules: false },
      })),
  ]) {
    const task = await makeTask();
    await stage();
    await end(task.id);
    assert.equal((await watch(fromNow(2 * HOUR_MS))).missed, 0);
    assert.deepEqual(await listRows(), []);
  }
});

test("what was missed stays so where nobody expects the task any more", async () => {
  const task = await makeTask({ expect: { withinMs: HOUR_MS / 2 } });
  const runId = await stage();
  assert.equal((await watch(fromNow(HOUR_MS / 2))).missed, 1);
  await cancelTask(store, namespaceId, task.id, new Date());
  await watch(fromNow(2 * HOUR_MS));
  assert.equal(await expectationOf(runId), "missed");
  assert.deepEqual(
    (await listRows()).map(({ look_at }) => look_at),
    [null],
  );
});

test("an occurrence that was skipped for an earlier one has not succeeded", async () => {
  await makeTask({ overlap: "skip", expect: { withinMs: 24 * HOUR_MS } }, HOUR_MS, HOUR_MS + 1_000);
  await stage(fromNow(-1_000));
  const next = fromNow(HOUR_MS);
  assert.equal((await stageOccurrences(store, next, next, 10)).runs.length, 0);
  const { skipped } = await settleHeldRuns(store, next, 10);
  assert.equal(skipped.length, 1);
  await watch(fromNow(26 * HOUR_MS));
  const { rows } = await listRuns(store, namespaceId, { state: ["skipped"] }, { limit: 10 });
  assert.deepEqual(
    rows.map(({ skipped: why, expectation }) => [why?.reason, expectation]),
    [["overlap", "missed"]],
  );
});

test("instants of an outage are told of as one, those of a pause not at all", async () => {
  const missed = await makeTask(
    { catchUp: { policy: "none", windowMs: null, max: 1 } },
    HOUR_MS,
    10.5 * HOUR_MS,
  );
  await stageOccurrences(store, new Date(), new Date(), 10);
  assert.equal((await watch(fromNow(0))).missed, 1);
  const [told, ...more] = await listTold();
  assert.deepEqual([told!.type, told!.taskId, more], ["run.late", missed.id, []]);
  const { rows } = await listRuns(store, namespaceId, { state: ["skipped"] }, { limit: 10 });
  assert.deepEqual(
    rows.map(({ skipped: why, expectation }) => [why?.reason, why?.count, expectation]),
    [["missed", 10, "missed"]],
  );
  await pauseTask(store, namespaceId, missed.id, new Date());
  await cancelTask(store, namespaceId, missed.id, fromNow(10 * HOUR_MS));
  assert.equal((await watch(fromNow(20 * HOUR_MS))).missed, 0);
});

test("of overruns in a row the first is told, with wait and run time side by side", async () => {
  const task = await makeTask({ on: LATE, expect: { withinMs: 24 * HOUR_MS } });
  const first = await stage();
  await claim(store, workerId, first);
  const second = await stage(task.nextRunAt! > new Date() ? task.nextRunAt! : fromNow(HOUR_MS));
  const third = await stage(fromNow(2 * HOUR_MS));
  assert.deepEqual(await watch(new Date(task.nextRunAt!.getTime() + HOUR_MS - 1)), {
    ...{ hasMore: false, missed: 0, overran: 0, called: [] },
  });
  const passes = await Promise.all([watch(fromNow(2.5 * HOUR_MS)), watch(fromNow(2.5 * HOUR_MS))]);
  assert.equal(
    passes.reduce((sum, { overran }) => sum + overran, 0),
    2,
  );
  const [told, ...more] = await listTold();
  assert.deepEqual([told!.type, told!.runId, more], ["run.overran", first, []]);
  const { waitMs, runMs } = told!.data as { waitMs: number; runMs: number };
  assert.ok(waitMs >= 0 && waitMs < HOUR_MS && runMs > HOUR_MS, `${waitMs} ${runMs}`);
  const [callback, ...others] = await listCallbacks();
  const { type, data } = callback!.input.body;
  assert.deepEqual([type, data.waitMs, data.runMs, others], ["bellhop.run.overran", waitMs, runMs, []]);
  // One that keeps its cadence ends the row, and the next is told again.
  await sql`UPDATE task_runs_open SET available_at = now() WHERE id = ${third}`.execute(db);
  await work(third, SUCCEEDED);
  await watch(fromNow(3.5 * HOUR_MS));
  const fourth = await stage(fromNow(3 * HOUR_MS));
  await watch(fromNow(4.5 * HOUR_MS));
  const overran = (await listTold()).filter((each) => each.type === "run.overran");
  assert.deepEqual(
    overran.map(({ runId }) => runId),
    [first, fourth],
  );
  assert.notEqual(second, first);
});

test("everybody whom `late` names is called, the namespace's where the task names nobody", async () => {
  const functionId = await deployFunction(db, namespaceId, "watch");
  const repair = await makeTask({ expect: null }, HOUR_MS, 0);
  const on: Callbacks = {
    late: [
      { type: "email", to: "ops@example.com" },
      { type: "function", function: "watch" },
      { task: repair.id },
    ],
    failure: [{ type: "email", to: "never@example.com" }],
  };
  await putSettings(store, namespaceId, { on });
  const runId = await queueRun(store, namespaceId, { expect: EXPECT, name: "nightly" });
  const own = await queueRun(store, namespaceId, { expect: EXPECT, on: {} });
  const { called, missed } = await watch(fromNow(2 * HOUR_MS));
  assert.deepEqual([missed, called.length], [2, 3]);
  const runs: Awaited<ReturnType<typeof claim>>[] = [];
  for (const each of called) runs.push(await claim(store, workerId, each.runId));
  const [email, call, task] = ["email", "function", "http"].map((of) =>
    runs.find(({ spec }) => spec.type === of),
  );
  assert.ok(email!.spec.type === "email");
  assert.equal(email!.spec.subject, 'A run of "nightly" has not succeeded in time');
  assert.deepEqual([call!.functionId, task!.taskId], [functionId, repair.id]);
  assert.deepEqual(new Set((await listCallbacks()).map((each) => each.callback_of)), new Set([runId]));
  assert.equal(await expectationOf(own), "missed");
});

test("what was missed is forgotten with the runs of its time", async () => {
  const runId = await queueRun(store, namespaceId, { expect: EXPECT });
  await watch(fromNow(2 * HOUR_MS));
  assert.equal(await removeExpiredExpectations(store, fromNow(HOUR_MS), 10), 0);
  await sql`INSERT INTO overrunning_tasks (task_id, run_id) VALUES (${newId()}, ${runId})`.execute(db);
  assert.equal(await removeExpiredExpectations(store, fromNow(3 * HOUR_MS), 10), 1);
  assert.equal((await sql`SELECT FROM overrunning_tasks`.execute(db)).rows.length, 0);
  assert.equal(await expectationOf(runId), null);
});
