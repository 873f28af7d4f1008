import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { TaskState } from "../../contracts/task-output.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { BellhopError } from "../../errors.ts";
import { newId } from "../ids.ts";
import { enqueueTaskRun } from "../runs/enqueue.ts";
import { finishAttempts } from "../runs/finish.ts";
import { findRun, listRuns } from "../runs/read.ts";
import { settleHeldRuns } from "../runs/settle-held.ts";
import type { StagedRun } from "../runs/staged-run.ts";
import { claim, finished, type GivenTask, httpTask, makeWorker, retryAfter } from "../testing/samples.ts";
import { stageDueTasks } from "../testing/stage-runs.ts";
import { openTestStore } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { createTask } from "./create.ts";
import { cancelTask, cancelTasksIn, removeTasksIn } from "./end.ts";
import { pauseTask, pauseTasksIn, resumeTask, resumeTasksIn } from "./pause-resume.ts";
import { findTask } from "./read.ts";
import { changeTask, type TaskChange } from "./redefine.ts";
import type { EachTask } from "./save-states.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const HOUR_MS = 3_600_000;
beforeEach(clear);

const hourly: Schedule = { kind: "every", everyMs: HOUR_MS };
const later = (from: Date, ms: number) => new Date(from.getTime() + ms);

/** A task made now, or `ageMs` ago. */
async function makeTask(schedule: Schedule, ageMs = 0, given: GivenTask = {}) {
  const namespaceId = await newNamespace();
  const madeAt = new Date(Date.now() - ageMs);
  const { task } = await createTask(store, { namespaceId, input: httpTask(schedule, given), now: madeAt });
  return { namespaceId, id: task.id, madeAt };
}

/** Stages ahead whatever fires within two hours of `now`. */
async function stageAhead(now: Date): Promise<StagedRun[]> {
  return await stageDueTasks(store, now, later(now, 2 * HOUR_MS), 100);
}

async function rowOf(id: string): Promise<{ state: TaskState; nextRunAt: Date | null }> {
  const row = await db.selectFrom("tasks").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  return { state: row.state, nextRunAt: row.next_run_at };
}

const refusedAs = (code: string, status: number) => (error: unknown) =>
  error instanceof BellhopError && error.code === code && error.status === status;

test("pausing takes back what was staged ahead, and resuming brings the same instant back", async () => {
  const { namespaceId, id, madeAt } = await makeTask(hourly);
  const [staged] = await stageAhead(madeAt);
  assert.deepEqual(staged?.availableAt, later(madeAt, HOUR_MS));
  const paused = await pauseTask(store, namespaceId, id, madeAt);
  assert.deepEqual([paused.state, paused.nextRunAt], ["paused", null], "a paused task shows no next instant");
  assert.equal(await findRun(store, namespaceId, staged.runId), undefined);
  assert.deepEqual(await stageAhead(madeAt), [], "nothing is staged while it is paused");
  assert.deepEqual(await pauseTask(store, namespaceId, id, madeAt), paused, "twice is the same as once");
  const resumed = await resumeTask(store, namespaceId, id, later(madeAt, 60_000));
  assert.deepEqual([resumed.state, resumed.nextRunAt], ["active", staged.availableAt]);
  const [again] = await stageAhead(madeAt);
  assert.deepEqual(again?.availableAt, staged.availableAt);
  assert.notEqual(again.runId, staged.runId);
});

test("pausing leaves what is due already, what runs and what somebody asked for", async () => {
  const { namespaceId, id, madeAt } = await makeTask(hourly, HOUR_MS + 1_000);
  const [due] = await stageDueTasks(store, new Date(), new Date(), 10);
  assert.deepEqual(due?.availableAt, later(madeAt, HOUR_MS));
  const manual = await enqueueTaskRun(store, namespaceId, id);
  const retried = await enqueueTaskRun(store, namespaceId, id);
  const workerId = await makeWorker(db);
  const claimed = await claim(store, workerId, retried!.runId);
  await finishAttempts(store, workerId, [finished(claimed, workerId, retryAfter(HOUR_MS))]);
  await pauseTask(store, namespaceId, id, new Date());
  const states = await Promise.all(
    [due.runId, manual!.runId, retried!.runId].map((run) => findRun(store, namespaceId, run)),
  );
  assert.deepEqual(
    states.map((run) => run?.state),
    ["queued", "queued", "scheduled"],
  );
});

test("a retry that was queued ahead of its instant is not taken back", async () => {
  const { namespaceId, id } = await makeTask(hourly, HOUR_MS + 1_000);
  const [due] = await stageDueTasks(store, new Date(), new Date(), 10);
  const workerId = await makeWorker(db);
  const claimed = await claim(store, workerId, due!.runId);
  await finishAttempts(store, workerId, [finished(claimed, workerId, retryAfter(HOUR_MS))]);
  await sql`UPDATE task_runs_open SET state = 'queued' WHERE id = ${claimed.id}`.execute(db);
  await pauseTask(store, namespaceId, id, new Date());
  assert.equal((await findRun(store, namespaceId, claimed.id))?.state, "queued");
});

test("a repeating task that slept through its instants goes on at the next of its grid", async () => {
  const { namespaceId, id, madeAt } = await makeTask(hourly);
  await pauseTask(store, namespaceId, id, madeAt);
  const resumed = await resumeTask(store, namespaceId, id, later(madeAt, 5.5 * HOUR_MS));
  assert.deepEqual(resumed.nextRunAt, later(madeAt, 6 * HOUR_MS));
  const [firstAt, lastAt] = [later(madeAt, HOUR_MS), later(madeAt, 5 * HOUR_MS)];
  assert.deepEqual(await listMissed(namespaceId, id), [
    {
      state: "skipped",
      scheduledFor: firstAt,
      skipped: {
        reason: "paused",
        count: 5,
        firstAt: firstAt.toISOString(),
        lastAt: lastAt.toISOString(),
      },
    },
  ]);
});

test("a task that names a catch-up makes up for what it slept through when it is resumed", async () => {
  const catchUp = { policy: "all", windowMs: 2 * HOUR_MS, max: 100 } as const;
  const { namespaceId, id, madeAt } = await makeTask(hourly, 0, { catchUp });
  await pauseTask(store, namespaceId, id, madeAt);
  const now = later(madeAt, 5.5 * HOUR_MS);
  await resumeTask(store, namespaceId, id, now);
  const [skipped] = await listMissed(namespaceId, id);
  assert.deepEqual([skipped?.skipped?.reason, skipped?.skipped?.count], ["paused", 3]);
  await stageDueTasks(store, now, now, 10);
  const { started } = await settleHeldRuns(store, now, 10);
  assert.deepEqual(
    started.map(({ availableAt }) => availableAt),
    [later(madeAt, 4 * HOUR_MS)],
    "the fifth waits for its turn",
  );
  const task = await findTask(store, namespaceId, id);
  assert.deepEqual(task?.nextRunAt, later(madeAt, 6 * HOUR_MS));
});

test("a paused task that is cancelled or given another schedule tells of what it slept through", async () => {
  for (const what of ["a cancel", "another schedule"]) {
    const { namespaceId, id, madeAt } = await makeTask(hourly);
    await pauseTask(store, namespaceId, id, madeAt);
    await ENDINGS[what]!(namespaceId, id, later(madeAt, 2.5 * HOUR_MS));
    const [only, ...others] = await listMissed(namespaceId, id);
    assert.deepEqual([only?.skipped?.reason, only?.skipped?.count, others], ["paused", 2, []], what);
  }
});

test("a task that should have fired once meanwhile fires when it is resumed", async () => {
  const { namespaceId, id, madeAt } = await makeTask({ kind: "delay", delayMs: HOUR_MS });
  await pauseTask(store, namespaceId, id, madeAt);
  const now = later(madeAt, 3 * HOUR_MS);
  const resumed = await resumeTask(store, namespaceId, id, now);
  assert.deepEqual([resumed.state, resumed.nextRunAt], ["active", later(madeAt, HOUR_MS)]);
  const staged = await stageDueTasks(store, now, now, 10);
  assert.equal(staged.length, 1);
  assert.equal((await rowOf(id)).state, "completed");
});

test("a task whose only occurrence was staged ahead can still be paused, resumed and cancelled", async () => {
  const { namespaceId, id, madeAt } = await makeTask({ kind: "delay", delayMs: HOUR_MS });
  const [staged] = await stageAhead(madeAt);
  assert.equal((await rowOf(id)).state, "completed");
  assert.equal((await pauseTask(store, namespaceId, id, madeAt)).state, "paused");
  assert.equal(await findRun(store, namespaceId, staged!.runId), undefined);
  const resumed = await resumeTask(store, namespaceId, id, madeAt);
  assert.deepEqual([resumed.state, resumed.nextRunAt], ["active", later(madeAt, HOUR_MS)]);
  assert.equal((await stageAhead(madeAt)).length, 1);
  assert.equal((await cancelTask(store, namespaceId, id, madeAt)).task.state, "cancelled");
  assert.deepEqual((await listRuns(store, namespaceId, {}, { limit: 10 })).rows, []);
});

test("a completed task cannot be paused or resumed, a cancelled one not even changed", async () => {
  const { namespaceId, id, madeAt } = await makeTask({ kind: "delay", delayMs: 0 }, 1_000);
  await stageDueTasks(store, new Date(), new Date(), 10);
  await assert.rejects(pauseTask(store, namespaceId, id, madeAt), refusedAs("task_completed", 409));
  await assert.rejects(resumeTask(store, namespaceId, id, madeAt), refusedAs("task_completed", 409));
  await cancelTask(store, namespaceId, id, madeAt);
  await assert.rejects(pauseTask(store, namespaceId, id, madeAt), refusedAs("task_cancelled", 409));
  await assert.rejects(resumeTask(store, namespaceId, id, madeAt), refusedAs("task_cancelled", 409));
  await assert.rejects(
    changeTask(store, namespaceId, id, madeAt, () => assert.fail("not asked")),
    refusedAs("task_cancelled", 409),
  );
});

test("an id that is none, or nobody's, is not found", async () => {
  const namespaceId = await newNamespace();
  const now = new Date();
  for (const id of [newId(), "no-id", "' OR 1=1"]) {
    await assert.rejects(pauseTask(store, namespaceId, id, now), refusedAs("not_found", 404));
    await assert.rejects(resumeTask(store, namespaceId, id, now), refusedAs("not_found", 404));
    await assert.rejects(cancelTask(store, namespaceId, id, now), refusedAs("not_found", 404));
    await assert.rejects(
      changeTask(store, namespaceId, id, now, () => assert.fail("not asked")),
      refusedAs("not_found", 404),
    );
  }
});

test("cancelling ends what waits, asks what runs, and fires no more", async () => {
  const { namespaceId, id, madeAt } = await makeTask(hourly, HOUR_MS + 1_000);
  const [due] = await stageDueTasks(store, new Date(), new Date(), 10);
  const running = await claim(store, await makeWorker(db), due!.runId);
  const waiting = await enqueueTaskRun(store, namespaceId, id);
  const now = new Date();
  const { task, runs } = await cancelTask(store, namespaceId, id, now);
  assert.deepEqual([task.state, task.nextRunAt, task.updatedAt], ["cancelled", null, now]);
  assert.deepEqual([runs.ended.map(({ runId }) => runId), runs.asked], [[waiting!.runId], [running.id]]);
  assert.equal((await findRun(store, namespaceId, waiting!.runId))?.state, "cancelled");
  assert.deepEqual(await stageAhead(madeAt), []);
  const again = await cancelTask(store, namespaceId, id, later(now, 1_000));
  assert.deepEqual(again.task, task, "a second time changes nothing");
});

const changeTo = (schedule: Schedule, reschedules: boolean, given: object = {}): TaskChange => ({
  input: httpTask(schedule, given),
  functionId: null,
  reschedules,
});

test("a new schedule takes back what was staged and counts from the change", async () => {
  const { namespaceId, id, madeAt } = await makeTask(hourly);
  const [staged] = await stageAhead(madeAt);
  const now = later(madeAt, 60_000);
  const schedule: Schedule = { kind: "every", everyMs: 600_000 };
  const { task: changed } = await changeTask(store, namespaceId, id, now, async (current) => {
    assert.deepEqual(
      [current.state, current.nextRunAt],
      ["active", staged!.availableAt],
      "as if never staged",
    );
    return changeTo(schedule, true);
  });
  assert.deepEqual([changed.schedule, changed.nextRunAt], [schedule, later(now, 600_000)]);
  assert.equal(await findRun(store, namespaceId, staged!.runId), undefined);
  assert.deepEqual(
    (await stageAhead(now)).map(({ availableAt }) => availableAt),
    [later(now, 600_000)],
  );
  assert.deepEqual((await rowOf(id)).nextRunAt, later(now, 1_200_000), "on the new grid");
});

test("another change leaves the schedule where it was, staged or not", async () => {
  const { namespaceId, id, madeAt } = await makeTask(hourly);
  await stageAhead(madeAt);
  const change = changeTo(hourly, false, { name: "renamed", timeoutMs: 777, labels: { a: "b" } });
  const { task: changed } = await changeTask(
    store,
    namespaceId,
    id,
    later(madeAt, 60_000),
    async () => change,
  );
  assert.deepEqual([changed.name, changed.policy.timeoutMs, changed.labels], ["renamed", 777, { a: "b" }]);
  assert.deepEqual(changed.nextRunAt, later(madeAt, HOUR_MS));
  assert.deepEqual(await findTask(store, namespaceId, id), changed);
  assert.deepEqual(
    (await stageAhead(madeAt)).map(({ availableAt }) => availableAt),
    [later(madeAt, HOUR_MS)],
  );
  assert.deepEqual((await rowOf(id)).nextRunAt, later(madeAt, 2 * HOUR_MS), "the grid is the old one");
});

test("a new schedule revives a completed task and leaves a paused one paused", async () => {
  const done = await makeTask({ kind: "delay", delayMs: 0 }, 1_000);
  await stageDueTasks(store, new Date(), new Date(), 10);
  const { task: revived } = await changeTask(store, done.namespaceId, done.id, done.madeAt, async () =>
    changeTo(hourly, true),
  );
  assert.deepEqual([revived.state, revived.nextRunAt], ["active", later(done.madeAt, HOUR_MS)]);
  const paused = await makeTask(hourly);
  await pauseTask(store, paused.namespaceId, paused.id, paused.madeAt);
  const schedule: Schedule = { kind: "every", everyMs: 2 * HOUR_MS };
  const { task: changed } = await changeTask(store, paused.namespaceId, paused.id, paused.madeAt, async () =>
    changeTo(schedule, true),
  );
  assert.equal(changed.state, "paused");
  const resumed = await resumeTask(store, paused.namespaceId, paused.id, paused.madeAt);
  assert.deepEqual(resumed.nextRunAt, later(paused.madeAt, 2 * HOUR_MS));
});

test("a change that is refused leaves everything, also what was staged", async () => {
  const { namespaceId, id, madeAt } = await makeTask(hourly);
  const [staged] = await stageAhead(madeAt);
  const before = await rowOf(id);
  await assert.rejects(
    changeTask(store, namespaceId, id, madeAt, async () => {
      throw new Error("not valid");
    }),
    /not valid/,
  );
  assert.deepEqual(await rowOf(id), before);
  assert.equal((await findRun(store, namespaceId, staged!.runId))?.state, "queued");
});

test("pausing and staging that meet leave nothing staged and lose no instant", async () => {
  const tasks = await Promise.all(Array.from({ length: 40 }, () => makeTask(hourly)));
  const now = new Date();
  await Promise.all([
    stageDueTasks(store, now, later(now, 1.5 * HOUR_MS), 20),
    ...tasks.map(({ namespaceId, id }) => pauseTask(store, namespaceId, id, now)),
    stageDueTasks(store, now, later(now, 1.5 * HOUR_MS), 20),
  ]);
  for (const { id, madeAt } of tasks) {
    assert.deepEqual(await rowOf(id), { state: "paused", nextRunAt: later(madeAt, HOUR_MS) });
  }
  const { rows } = await sql`SELECT FROM task_runs_open`.execute(db);
  assert.equal(rows.length, 0);
});

test("changes of one task wait for each other: each sees what the one before made", async () => {
  const { namespaceId, id, madeAt } = await makeTask(hourly);
  const append = () =>
    changeTask(store, namespaceId, id, madeAt, async ({ labels }) => {
      const given = { labels: { ...labels, [`l${Object.keys(labels).length}`]: "x" } };
      return changeTo(hourly, false, given);
    });
  await Promise.all(Array.from({ length: 5 }, append));
  const task = await findTask(store, namespaceId, id);
  assert.deepEqual(Object.keys(task!.labels).sort(), ["l0", "l1", "l2", "l3", "l4"]);
});

/** Runs of the task that say which instants were missed. */
async function listMissed(namespaceId: string, taskId: string) {
  const { rows } = await listRuns(store, namespaceId, { taskId }, { limit: 10 });
  return rows.map(({ state, skipped, scheduledFor }) => ({ state, skipped, scheduledFor }));
}

const ENDINGS: Record<string, (namespaceId: string, id: string, now: Date) => Promise<unknown>> = {
  "a pause": (namespaceId, id, now) => pauseTask(store, namespaceId, id, now),
  "a cancel": (namespaceId, id, now) => cancelTask(store, namespaceId, id, now),
  "another schedule": (namespaceId, id, now) =>
    changeTask(store, namespaceId, id, now, async () => ({
      input: httpTask({ kind: "every", everyMs: 7 * HOUR_MS }),
      functionId: null,
      reschedules: true,
    })),
};
for (const [what, end] of Object.entries(ENDINGS)) {
  test(`instants that were missed before ${what} are one skipped run that says which`, async () => {
    const { namespaceId, id, madeAt } = await makeTask(hourly, 3.5 * HOUR_MS);
    await end(namespaceId, id, later(madeAt, 3.5 * HOUR_MS));
    const [firstAt, lastAt] = [later(madeAt, HOUR_MS), later(madeAt, 3 * HOUR_MS)];
    assert.deepEqual(await listMissed(namespaceId, id), [
      {
        state: "skipped",
        scheduledFor: firstAt,
        skipped: {
          reason: "missed",
          count: 3,
          firstAt: firstAt.toISOString(),
          lastAt: lastAt.toISOString(),
        },
      },
    ]);
  });
}

test("a paused task does not fire for what was missed before the pause, and records it once", async () => {
  const { namespaceId, id, madeAt } = await makeTask(hourly, 10 * HOUR_MS);
  await pauseTask(store, namespaceId, id, later(madeAt, 1.5 * HOUR_MS));
  const resumed = await resumeTask(store, namespaceId, id, later(madeAt, 1.6 * HOUR_MS));
  assert.deepEqual(resumed.nextRunAt, later(madeAt, 2 * HOUR_MS));
  assert.equal((await listMissed(namespaceId, id)).length, 1);
});

test("nothing was missed where the next instant is still to come, nor of a task that fires once", async () => {
  const repeating = await makeTask(hourly);
  await pauseTask(store, repeating.namespaceId, repeating.id, repeating.madeAt);
  assert.deepEqual(await listMissed(repeating.namespaceId, repeating.id), []);
  const once = await makeTask({ kind: "delay", delayMs: HOUR_MS }, 2 * HOUR_MS);
  await pauseTask(store, once.namespaceId, once.id, new Date());
  assert.deepEqual(await listMissed(once.namespaceId, once.id), []);
  const resumed = await resumeTask(store, once.namespaceId, once.id, new Date());
  assert.deepEqual(resumed.nextRunAt, later(once.madeAt, HOUR_MS), "it fires late");
});

/** Of a task each, in a namespace of their own: what stands, and what is done to it. */
async function makeOneOfEach() {
  const namespaceId = await newNamespace();
  const madeAt = new Date(Date.now() - HOUR_MS - 1_000);
  const make = async (schedule: Schedule) =>
    (await createTask(store, { namespaceId, input: httpTask(schedule), now: madeAt })).task.id;
  // Of `active` and `paused` an instant was missed, and each has a run that somebody asked for.
  const ids = {
    active: await make(hourly),
    staged: await make({ kind: "every", everyMs: 2 * HOUR_MS }),
    paused: await make(hourly),
    cancelled: await make(hourly),
    completed: await make({ kind: "now" }),
    unknown: newId(),
    none: "none",
  };
  await enqueueTaskRun(store, namespaceId, ids.active);
  await pauseTask(store, namespaceId, ids.paused, madeAt);
  await cancelTask(store, namespaceId, ids.cancelled, madeAt);
  const staged = await stageDueTasks(store, madeAt, later(madeAt, 2 * HOUR_MS), 100);
  await store.pool.query("DELETE FROM task_runs_open WHERE task_id = $1 AND trigger = 'schedule'", [
    ids.active,
  ]);
  await store.pool.query("UPDATE tasks SET next_run_at = $2 WHERE id = $1", [
    ids.active,
    later(madeAt, HOUR_MS),
  ]);
  assert.ok(staged.length > 0);
  return { namespaceId, ids, madeAt };
}

const SEVERAL = {
  pause: pauseTasksIn,
  resume: resumeTasksIn,
  cancel: async (...given: Parameters<typeof cancelTasksIn>) => (await cancelTasksIn(...given)).tasks,
  remove: async (...given: Parameters<typeof removeTasksIn>) => (await removeTasksIn(...given)).tasks,
} satisfies Record<string, (...given: Parameters<typeof removeTasksIn>) => Promise<EachTask>>;

/** All that is left, by what the tasks are called here, and as seen from when they were made. */
async function standing({ namespaceId, ids, madeAt }: Awaited<ReturnType<typeof makeOneOfEach>>) {
  const nameOf = (id: string | null) => Object.entries(ids).find(([, each]) => each === id)?.[0];
  const since = (at: Date | null) => at && at.getTime() - madeAt.getTime();
  const { rows: tasks } = await store.pool.query("SELECT * FROM tasks WHERE namespace_id = $1 ORDER BY id", [
    namespaceId,
  ]);
  const { rows: runs } = await store.pool.query(
    "SELECT task_id, state, skipped ->> 'count' AS skipped, scheduled_for FROM task_runs WHERE namespace_id = $1 ORDER BY id",
    [namespaceId],
  );
  return {
    tasks: tasks.map((row) => [
      nameOf(row.id),
      row.state,
      since(row.next_run_at),
      row.paused_reason,
      row.removed_at === null,
    ]),
    runs: runs.map((row) => `${nameOf(row.task_id)} ${row.state} ${row.skipped}`).toSorted(),
  };
}

for (const [verb, act] of Object.entries(SEVERAL))
  test(`${verb} does the same to several tasks as to each alone, and one that is refused stops no other`, async () => {
    const tell = (told: EachTask) =>
      [...told.values()].map((task) => (task instanceof BellhopError ? task.code : task.state));
    const together = await makeOneOfEach();
    const ids = Object.values(together.ids);
    const all = await inTransaction(store.pool, (tx) => act(tx, together.namespaceId, ids, new Date()));
    assert.deepEqual([...all.keys()], ids);
    const whole = await standing(together);
    const alone = await makeOneOfEach();
    const each: string[] = [];
    for (const id of Object.values(alone.ids))
      each.push(
        ...tell(await inTransaction(store.pool, (tx) => act(tx, alone.namespaceId, [id], new Date()))),
      );
    assert.deepEqual(tell(all), each);
    assert.deepEqual(whole, await standing(alone));
  });
