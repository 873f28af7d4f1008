/** What schedules exclude is told of as it passes, in one row as long as nothing else comes. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { CronSchedule, Schedule } from "../../domain/schedule/schedule.ts";
import type { SkippedInstants } from "../../domain/skipped.ts";
import { putCalendar } from "../calendars/change.ts";
import { listRuns } from "../runs/read.ts";
import { stageOccurrences } from "../runs/stage.ts";
import { httpTask } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { createTask } from "./create.ts";
import { cancelTask } from "./end.ts";
import { pauseTask, resumeTask } from "./pause-resume.ts";
import { changeTask } from "./redefine.ts";
import { LOOK_EVERY_MS, settleExclusions } from "./settle-exclusions.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

// What is staged is taken back by the database's clock: it lies in its future. A Monday.
const MADE = new Date("2036-03-03T10:00:00.000Z");
const on = (day: number, time = "09:00") =>
  new Date(`2036-03-${String(day).padStart(2, "0")}T${time}:00.000Z`);

const daily = (given: Partial<CronSchedule> = {}): CronSchedule => ({
  ...{ kind: "cron", expression: "0 9 * * *", timezone: "UTC", exclude: { cron: "* * * * SAT,SUN" } },
  ...given,
});

async function makeTask(schedule: Schedule = daily(), given?: string) {
  const namespaceId = given ?? (await newNamespace());
  const input = httpTask(schedule, { overlap: "allow" });
  const { task } = await createTask(store, { namespaceId, input, now: MADE });
  return { namespaceId, id: task.id };
}

/** As a scheduler that looks at this instant. */
async function lookAt(now: Date): Promise<void> {
  await stageOccurrences(store, now, now, 100);
  await store.pool.query("UPDATE task_runs_open SET claim_no = 1 WHERE state = 'queued'");
  await settleExclusions(store, now, 100);
}

async function findSkipped(namespaceId: string): Promise<(SkippedInstants | null)[]> {
  const { rows } = await listRuns(store, namespaceId, { state: ["skipped"] }, { limit: 200, order: "asc" });
  return rows.map(({ skipped }) => skipped);
}

const excluded = (count: number, first: Date, last = first): SkippedInstants => ({
  ...{ reason: "excluded", count, firstAt: first.toISOString(), lastAt: last.toISOString() },
});

test("what is excluded is told of once it has passed, in a row that grows until the next fires", async () => {
  const { namespaceId } = await makeTask();
  for (const day of [4, 5, 6, 7]) await lookAt(on(day));
  await lookAt(on(8, "08:59"));
  assert.deepEqual(await findSkipped(namespaceId), []);
  await lookAt(on(8));
  assert.deepEqual(await findSkipped(namespaceId), [excluded(1, on(8))]);
  await lookAt(on(9));
  assert.deepEqual(await findSkipped(namespaceId), [excluded(2, on(8), on(9))]);
  for (const day of [10, 11, 12, 13, 14, 15]) await lookAt(on(day));
  assert.deepEqual(await findSkipped(namespaceId), [excluded(2, on(8), on(9)), excluded(1, on(15))]);
});

test("a row that grew is still written to by whoever stages the next", async () => {
  const { namespaceId } = await makeTask();
  for (const day of [4, 5, 6, 7, 8]) await lookAt(on(day));
  await lookAt(on(10));
  assert.deepEqual(await findSkipped(namespaceId), [excluded(2, on(8), on(9))]);
});

test("after the last that fires it is told of up to the end of the schedule, and no further", async () => {
  const { namespaceId } = await makeTask(daily({ endAt: on(9, "09:30").toISOString() }));
  for (const day of [4, 5, 6, 7, 8, 9]) await lookAt(on(day));
  for (const day of [15, 16]) await lookAt(on(day));
  assert.deepEqual(await findSkipped(namespaceId), [excluded(2, on(8), on(9))]);
  const { rows } = await store.pool.query("SELECT FROM task_exclusions WHERE look_at < 'infinity'");
  assert.equal(rows.length, 0, "nobody looks at it again");
});

test("a task that has had its runs is over with the last of them", async () => {
  const { namespaceId } = await makeTask(daily({ maxRuns: 4 }));
  for (const day of [4, 5, 6, 7, 8, 9]) await lookAt(on(day));
  assert.deepEqual(await findSkipped(namespaceId), []);
});

test("what a paused task sleeps through and what it excludes are told of in their order", async () => {
  const { namespaceId, id } = await makeTask();
  for (const day of [4, 5, 6, 7]) await lookAt(on(day));
  await pauseTask(store, namespaceId, id, on(7, "12:00"));
  for (const day of [8, 9]) await lookAt(on(day));
  assert.deepEqual(
    await findSkipped(namespaceId),
    [excluded(2, on(8), on(9))],
    "nothing has been slept through",
  );
  for (const day of [10, 15, 16]) await lookAt(on(day));
  await resumeTask(store, namespaceId, id, on(16, "12:00"));
  const counts = async () => (await findSkipped(namespaceId)).map((each) => [each?.reason, each?.count]);
  const atResume = [
    ["excluded", 4],
    ["paused", 5],
  ];
  assert.deepEqual((await counts()).toSorted(), atResume);
  for (const day of [17, 18, 19, 20, 21, 22]) await lookAt(on(day));
  assert.deepEqual((await counts()).toSorted(), [["excluded", 1], ...atResume]);
});

test("a calendar's new date, and a new schedule, are told of as they pass", async () => {
  const namespaceId = await newNamespace();
  await putCalendar(store, namespaceId, "days", [], () => MADE);
  const { id } = await makeTask(daily({ exclude: { calendar: "days" } }), namespaceId);
  await lookAt(on(4));
  await putCalendar(store, namespaceId, "days", ["2036-03-05"], () => on(4, "12:00"));
  await lookAt(on(5));
  assert.deepEqual(await findSkipped(namespaceId), [excluded(1, on(5))]);
  const input = httpTask(daily({ exclude: { dates: ["2036-03-06"] } }), { overlap: "allow" });
  const change = { input, functionId: null, reschedules: true };
  await changeTask(store, namespaceId, id, on(5, "12:00"), async () => change);
  await lookAt(on(6));
  assert.deepEqual(await findSkipped(namespaceId), [excluded(1, on(5)), excluded(1, on(6))]);
});

test("a look at a schedule that excludes each second costs one row a minute, and misses none", async () => {
  const schedule: Schedule = {
    ...{ kind: "every", everyMs: 1_000, anchor: on(4, "00:00").toISOString() },
    exclude: { cron: "* 1-2 * * *" },
  };
  const { namespaceId } = await makeTask(schedule);
  await stageOccurrences(store, on(4, "00:30"), on(4, "00:30"), 100);
  let looked = 0;
  for (let ms = on(4, "01:00").getTime(); ms <= on(4, "01:10").getTime(); ms += 5_000) {
    await stageOccurrences(store, new Date(ms), new Date(ms), 100);
    looked += (await settleExclusions(store, new Date(ms), 100)).looked;
  }
  assert.ok(looked <= 11, `${looked} looks`);
  const told = (await findSkipped(namespaceId)).filter((each) => each?.reason === "excluded");
  assert.deepEqual(told, [excluded(601, on(4, "01:00"), on(4, "01:10"))]);
});

test("none is looked at before it is time, one that is cancelled not again, and locked ones not now", async () => {
  const { namespaceId, id } = await makeTask();
  assert.equal((await settleExclusions(store, MADE, 100)).looked, 1);
  assert.equal((await settleExclusions(store, new Date(MADE.getTime() + LOOK_EVERY_MS - 1), 100)).looked, 0);
  await inTransaction(store.pool, async ({ pool }) => {
    await pool.query("SELECT FROM tasks WHERE id = $1 FOR UPDATE", [id]);
    assert.equal((await settleExclusions(store, on(8), 100)).looked, 0);
  });
  await cancelTask(store, namespaceId, id, on(8));
  await settleExclusions(store, on(8), 100);
  assert.equal((await settleExclusions(store, on(30), 100)).looked, 0);
});

test("those of a release before, which kept less, are looked at and told of from then on", async () => {
  const { namespaceId, id } = await makeTask();
  await db.deleteFrom("task_exclusions").execute();
  await store.pool.query(
    "INSERT INTO task_exclusions (task_id, namespace_id, settled_until) VALUES ($1, $2, $3)",
    [id, namespaceId, on(7)],
  );
  await store.pool.query("UPDATE tasks SET next_run_at = $1", [on(10)]);
  await settleExclusions(store, on(8), 100);
  assert.deepEqual(await findSkipped(namespaceId), [excluded(1, on(8))]);
});
