import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { createTask } from "../tasks/create.ts";
import { findTask } from "../tasks/read.ts";
import { deployFunction, httpTask, queueRun } from "../testing/samples.ts";
import { stageDueTasks } from "../testing/stage-runs.ts";
import { openTestStore } from "../testing/test-store.ts";
import { findNextInstants } from "./next-instants.ts";
import { findRun, listRuns } from "./read.ts";
import type { StagedRun } from "./staged-run.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const T0 = Date.parse("2026-03-02T10:00:00.000Z");
const at = (ms: number) => new Date(T0 + ms);
beforeEach(clear);

/** The id of a task made at T0, whose runs may overlap. */
async function makeTask(namespaceId: string, schedule: Schedule): Promise<string> {
  const input = httpTask(schedule, { overlap: "allow" });
  return (await createTask(store, { namespaceId, input, now: at(0) })).task.id;
}

test("a due task becomes a queued run at its instant, and its cursor moves to the next", async () => {
  const namespaceId = await newNamespace();
  const taskId = await makeTask(namespaceId, { kind: "every", everyMs: 10_000 });
  const [staged, ...others] = await stageDueTasks(store, at(9_500), at(10_500), 100);
  assert.deepEqual(others, []);
  assert.deepEqual(staged!.availableAt, at(10_000));
  const run = await findRun(store, namespaceId, staged!.runId);
  assert.equal(run?.state, "queued");
  assert.equal(run.attempt, 1);
  assert.equal(run.taskId, taskId);
  assert.deepEqual([run.scheduledFor, run.availableAt], [at(10_000), at(10_000)]);
  const task = await findTask(store, namespaceId, taskId);
  assert.deepEqual([task?.state, task?.nextRunAt], ["active", at(20_000)]);
});

test("a pass whose decisions take long leaves the rest to the next, within the time a transaction may idle", async (t) => {
  const namespaceId = await newNamespace();
  for (let count = 0; count < 5; count += 1) await makeTask(namespaceId, { kind: "every", everyMs: 10_000 });
  let nowMs = 0;
  const clock = t.mock.method(performance, "now", () => (nowMs += 400));
  assert.equal((await stageDueTasks(store, at(9_500), at(10_000), 100)).length, 3, "1 s of deciding");
  clock.mock.restore();
  assert.equal((await stageDueTasks(store, at(9_500), at(10_000), 100)).length, 2, "those that were left");
});

test("what lies beyond the horizon waits", async () => {
  const namespaceId = await newNamespace();
  await makeTask(namespaceId, { kind: "every", everyMs: 10_000 });
  assert.deepEqual(await stageDueTasks(store, at(8_000), at(9_999), 100), []);
  assert.equal(
    (await stageDueTasks(store, at(9_000), at(10_000), 100)).length,
    1,
    "the horizon itself counts",
  );
});

test("what fires once completes with its only occurrence", async () => {
  const namespaceId = await newNamespace();
  const once = await makeTask(namespaceId, { kind: "once", at: at(1_000).toISOString() });
  const delayed = await makeTask(namespaceId, { kind: "delay", delayMs: 2_000 });
  const staged = await stageDueTasks(store, at(1_500), at(2_500), 100);
  assert.deepEqual(staged.map(({ availableAt }) => availableAt).sort(), [at(1_000), at(2_000)]);
  for (const id of [once, delayed]) {
    const task = await findTask(store, namespaceId, id);
    assert.deepEqual([task?.state, task?.nextRunAt], ["active", null], "while its run is open");
    const row = db.selectFrom("tasks").select("state").where("id", "=", id);
    assert.deepEqual(await row.execute(), [{ state: "completed" }]);
  }
  assert.deepEqual(await stageDueTasks(store, at(9_000), at(10_000), 100), []);
});

test("instants missed while nobody staged are one late run of the newest and one skipped run of the others", async () => {
  const namespaceId = await newNamespace();
  const taskId = await makeTask(namespaceId, { kind: "cron", expression: "*/5 * * * *", timezone: "UTC" });
  const now = at(3_600_000 + 1_000);
  const staged = await stageDueTasks(store, now, new Date(now.getTime() + 1_000), 100);
  assert.deepEqual(
    staged.map(({ availableAt }) => availableAt),
    [at(3_600_000)],
  );
  assert.deepEqual((await findTask(store, namespaceId, taskId))?.nextRunAt, at(3_900_000));
  const { rows } = await listRuns(store, namespaceId, { state: ["skipped"] }, { limit: 10 });
  assert.deepEqual(
    rows.map(({ taskId: of, skipped, scheduledFor }) => [of, skipped, scheduledFor]),
    [
      [
        taskId,
        {
          reason: "missed",
          count: 11,
          firstAt: at(300_000).toISOString(),
          lastAt: at(3_300_000).toISOString(),
        },
        at(300_000),
      ],
    ],
  );
});

test("a pass takes the earliest tasks first, as many as it may", async () => {
  const namespaceId = await newNamespace();
  for (const delayMs of [3_000, 1_000, 2_000]) await makeTask(namespaceId, { kind: "delay", delayMs });
  const first = await stageDueTasks(store, at(5_000), at(5_000), 2);
  assert.deepEqual(
    first.map(({ availableAt }) => availableAt),
    [at(1_000), at(2_000)],
  );
  const second = await stageDueTasks(store, at(5_000), at(5_000), 2);
  assert.deepEqual(
    second.map(({ availableAt }) => availableAt),
    [at(3_000)],
  );
});

test("schedulers that run side by side stage each occurrence exactly once", async () => {
  const namespaceId = await newNamespace();
  const schedules: Schedule[] = [
    { kind: "every", everyMs: 1_000 },
    { kind: "cron", expression: "* * * * * *", timezone: "UTC" },
  ];
  await Promise.all(Array.from({ length: 150 }, (_, index) => makeTask(namespaceId, schedules[index % 2]!)));
  const drain = async (second: number): Promise<StagedRun[]> => {
    const staged: StagedRun[] = [];
    for (;;) {
      const pass = await stageDueTasks(store, at(second * 1_000), at(second * 1_000), 20);
      if (pass.length === 0) return staged;
      staged.push(...pass);
    }
  };
  const told: StagedRun[] = [];
  for (const second of [1, 2, 3]) {
    const passes = await Promise.all(Array.from({ length: 5 }, () => drain(second)));
    told.push(...passes.flat(), ...(await drain(second)));
  }
  const { rows } = await sql<{ id: string; occurrence: string }>`
    SELECT id, task_id || ' ' || scheduled_for AS occurrence FROM task_runs_open`.execute(db);
  assert.equal(rows.length, 450);
  assert.equal(new Set(rows.map(({ occurrence }) => occurrence)).size, 450, "no occurrence twice");
  assert.deepEqual(told.map(({ runId }) => runId).sort(), rows.map(({ id }) => id).sort(), "each told once");
});

test("a run of a function task knows its function", async () => {
  const namespaceId = await newNamespace();
  const functionId = await deployFunction(db, namespaceId, "greet");
  const input = httpTask(
    { kind: "delay", delayMs: 1_000 },
    { spec: { type: "function", function: "greet", input: null } },
  );
  await createTask(store, { namespaceId, input, functionId, now: at(0) });
  const [staged] = await stageDueTasks(store, at(1_000), at(1_000), 10);
  const run = await findRun(store, namespaceId, staged!.runId);
  assert.deepEqual([run?.type, run?.functionName], ["function", "greet"]);
});

test("runs of one instant stand in the list newest first, none lost", async () => {
  const namespaceId = await newNamespace();
  const taskId = await makeTask(namespaceId, { kind: "every", everyMs: 1_000 });
  for (const second of [1, 2, 3]) await stageDueTasks(store, at(second * 1_000), at(second * 1_000), 10);
  const { rows: runs } = await listRuns(store, namespaceId, { taskId }, { limit: 10 });
  assert.deepEqual(
    runs.map(({ scheduledFor }) => scheduledFor),
    [at(3_000), at(2_000), at(1_000)],
  );
});

test("the next instant is the earliest of cursors and retries; nothing waits, no instant", async () => {
  const findDue = async () => {
    const { due, retry } = await findNextInstants(store);
    return retry && (!due || retry < due) ? retry : due;
  };
  assert.deepEqual(await findNextInstants(store), { due: null, retry: null, held: null, hasWaiting: false });
  const namespaceId = await newNamespace();
  await makeTask(namespaceId, { kind: "delay", delayMs: 60_000 });
  assert.deepEqual(await findDue(), at(60_000));
  const retryId = await queueRun(store, namespaceId);
  await sql`UPDATE task_runs_open SET state = 'scheduled', available_at = ${at(30_000)} WHERE id = ${retryId}`.execute(
    db,
  );
  assert.deepEqual(await findDue(), at(30_000));
  await stageDueTasks(store, at(60_000), at(60_000), 10);
  await sql`DELETE FROM task_runs_open WHERE state = 'scheduled'`.execute(db);
  assert.equal(await findDue(), null, "what is queued is the workers' matter");
});
