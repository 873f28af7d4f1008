/** Instants that schedules exclude: each is told of once, and those of a calendar follow it. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { createRandom } from "../../../test/support/random.ts";
import { systemClock } from "../../clock.ts";
import { FIRST_EVENT } from "../../domain/event-position.ts";
import { occurrencesAfter } from "../../domain/schedule/occurrences.ts";
import type { CronSchedule, Schedule } from "../../domain/schedule/schedule.ts";
import type { SkippedInstants } from "../../domain/skipped.ts";
import { putCalendar } from "../calendars/change.ts";
import { readEvents, settleEvents } from "../events/read.ts";
import { listRuns } from "../runs/read.ts";
import { stageOccurrences } from "../runs/stage.ts";
import { type GivenTask, httpTask } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { createTask } from "./create.ts";
import { cancelTask } from "./end.ts";
import { pauseTask, resumeTask } from "./pause-resume.ts";
import { findTask } from "./read.ts";
import { changeTask } from "./redefine.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

// What is staged is taken back by the database's clock: it lies in its future. A Monday.
const MADE = new Date("2036-03-03T10:00:00.000Z");
const HOUR_MS = 3_600_000;
const on = (day: number, time = "09:00") =>
  new Date(`2036-03-${String(day).padStart(2, "0")}T${time}:00.000Z`);
const later = (from: Date, ms: number) => new Date(from.getTime() + ms);

const daily = (given: Partial<CronSchedule>): CronSchedule => ({
  ...{ kind: "cron", expression: "0 9 * * *", timezone: "UTC" },
  ...given,
});
const WEEKDAYS = daily({ exclude: { cron: "* * * * SAT,SUN" } });
const WEEKEND: SkippedInstants = {
  ...{ reason: "excluded", count: 2, firstAt: on(8).toISOString(), lastAt: on(9).toISOString() },
};

async function makeTask(schedule: Schedule, given: GivenTask = {}) {
  const namespaceId = await newNamespace();
  const input = httpTask(schedule, { overlap: "allow", ...given });
  const { task } = await createTask(store, { namespaceId, input, now: MADE });
  return { namespaceId, id: task.id };
}

/** What is staged by then, its instants; what is due counts as run. */
async function stageAt(now: Date, aheadMs = 1_000): Promise<string[]> {
  const { runs } = await stageOccurrences(store, now, later(now, aheadMs), 100);
  await store.pool.query(
    "UPDATE task_runs_open SET claim_no = 1 WHERE state = 'queued' AND available_at <= $1",
    [now],
  );
  return runs.map(({ availableAt }) => availableAt.toISOString());
}

async function findSkipped(namespaceId: string): Promise<(SkippedInstants | null)[]> {
  const { rows } = await listRuns(store, namespaceId, { state: ["skipped"] }, { limit: 200, order: "asc" });
  return rows.map(({ skipped }) => skipped);
}

test("successive excluded instants are one skipped run, written when the next one fires, once", async () => {
  const { namespaceId } = await makeTask(WEEKDAYS);
  for (const day of [4, 5, 6, 7]) assert.deepEqual(await stageAt(on(day)), [on(day).toISOString()]);
  assert.deepEqual(await stageAt(on(9, "12:00")), []);
  assert.deepEqual(await findSkipped(namespaceId), [], "the schedule has not moved over them yet");
  assert.deepEqual(await stageAt(on(10)), [on(10).toISOString()]);
  assert.deepEqual(await findSkipped(namespaceId), [WEEKEND]);
  await stageAt(on(11));
  assert.deepEqual(await findSkipped(namespaceId), [WEEKEND]);
});

test("a pass tells of what was excluded, for its metric", async () => {
  await makeTask(WEEKDAYS);
  const { skipped } = await stageOccurrences(store, on(10), on(10), 100);
  assert.deepEqual(
    skipped.map(({ reason, count }) => [reason, count]),
    [
      ["missed", 4],
      ["excluded", 2],
    ],
  );
});

test("what was excluded is an event: a run that was skipped", async () => {
  const { namespaceId, id } = await makeTask(WEEKDAYS);
  for (const day of [4, 5, 6, 7, 10]) await stageAt(on(day));
  const { rows } = await listRuns(store, namespaceId, { state: ["skipped"] }, { limit: 10 });
  await settleEvents(store, systemClock, 60_000);
  const { events } = await readEvents(store, namespaceId, FIRST_EVENT, 100, { taskId: id });
  assert.deepEqual(
    events.filter(({ type }) => type === "run.skipped").map(({ runId }) => runId),
    rows.map((run) => run.id),
  );
  assert.deepEqual(
    rows.map(({ skipped }) => skipped),
    [WEEKEND],
  );
});

test("what was staged and taken back is told of once", async () => {
  const { namespaceId, id } = await makeTask(WEEKDAYS);
  for (const day of [4, 5, 6, 7]) await stageAt(on(day));
  const before = later(on(10), -1_000);
  assert.deepEqual(await stageAt(before), [on(10).toISOString()]);
  await pauseTask(store, namespaceId, id, before);
  await resumeTask(store, namespaceId, id, before);
  assert.deepEqual(await stageAt(on(10)), [on(10).toISOString()]);
  assert.deepEqual(await findSkipped(namespaceId), [WEEKEND]);
});

test("a pause, a change and a cancel tell of what was excluded before them", async () => {
  const { namespaceId, id } = await makeTask(WEEKDAYS);
  for (const day of [4, 5, 6, 7]) await stageAt(on(day));
  const saturday = { ...WEEKEND, count: 1, lastAt: on(8).toISOString() };
  await pauseTask(store, namespaceId, id, on(8, "12:00"));
  assert.deepEqual(await findSkipped(namespaceId), [saturday]);
  await resumeTask(store, namespaceId, id, on(9, "12:00"));
  assert.deepEqual(await findSkipped(namespaceId), [WEEKEND], "nothing came between: it has grown");
  const allow = { overlap: "allow" } as const;
  const plain = { input: httpTask(daily({}), allow), functionId: null, reschedules: true };
  await changeTask(store, namespaceId, id, on(9, "13:00"), async () => plain);
  assert.deepEqual(await db.selectFrom("task_exclusions").selectAll().execute(), []);
  assert.deepEqual(await stageAt(on(10)), [on(10).toISOString()]);
  const weekdays = { ...plain, input: httpTask(WEEKDAYS, allow) };
  await changeTask(store, namespaceId, id, on(10, "10:00"), async () => weekdays);
  for (const day of [11, 12, 13, 14]) await stageAt(on(day));
  await cancelTask(store, namespaceId, id, on(15, "12:00"));
  assert.equal((await findSkipped(namespaceId)).length, 2);
});

test("what startAt and endAt hide is no instant, and not told of", async () => {
  const exclude = { dates: ["2036-03-04", "2036-03-06", "2036-03-09"] };
  const startAt = on(5).toISOString();
  const { namespaceId } = await makeTask(daily({ exclude, startAt, endAt: on(8).toISOString() }));
  for (const day of [5, 7, 8]) assert.deepEqual(await stageAt(on(day)), [on(day).toISOString()]);
  assert.deepEqual(
    (await findSkipped(namespaceId)).map((each) => [each?.count, each?.firstAt]),
    [[1, on(6).toISOString()]],
  );
});

test("a task that excludes nothing keeps nothing of it", async () => {
  await makeTask(daily({}));
  await stageAt(on(4));
  assert.deepEqual(await db.selectFrom("task_exclusions").selectAll().execute(), []);
});

test("an outage leaves a record of what was missed and one of what was excluded", async () => {
  const { namespaceId } = await makeTask(WEEKDAYS, { catchUp: { policy: "none", windowMs: null, max: 1 } });
  await stageAt(on(4));
  assert.deepEqual(await stageAt(on(11, "12:00")), []);
  assert.deepEqual(
    (await findSkipped(namespaceId)).map((each) => [each?.reason, each?.count]),
    [
      ["missed", 5],
      ["excluded", 2],
    ],
  );
});

const SEEDS = 8;

test("whatever happens to a task and its calendar, each instant runs once or is told of once", async () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const random = createRandom(seed);
    const namespaceId = await newNamespace();
    const pickDates = () =>
      [4, 5, 6, 7].filter(() => random.pick([true, false])).map((day) => `2036-03-0${day}`);
    await putCalendar(store, namespaceId, "days", pickDates(), () => MADE);
    const schedule = daily({ expression: "0 * * * *", exclude: { calendar: "days", cron: "0 2-4 * * *" } });
    const policy = random.pick(["latest", "all", "none"] as const);
    const catchUp = random.pick([undefined, { policy, windowMs: null, max: 3 }]);
    const input = httpTask(schedule, { overlap: "allow", ...(catchUp && { catchUp }) });
    const { task } = await createTask(store, { namespaceId, input, now: MADE });
    const told = `seed ${seed}`;
    let now = MADE;
    while (now < on(8)) {
      now = later(now, random.pick([1_800_000, HOUR_MS, 3_599_500, random.whole(1, 9 * HOUR_MS)]));
      const change = random.whole(0, 9);
      if (change === 0) await putCalendar(store, namespaceId, "days", pickDates(), () => now);
      else if (change === 1) await pauseTask(store, namespaceId, task.id, now);
      else if (change === 2) await resumeTask(store, namespaceId, task.id, now);
      else await stageAt(now);
    }
    await cancelTask(store, namespaceId, task.id, now);
    const { rows: fired } = await store.pool.query<{ at: Date }>(
      "SELECT scheduled_for AS at FROM task_runs WHERE task_id = $1 AND state <> 'skipped'",
      [task.id],
    );
    const firedMs = fired.map(({ at }) => at.getTime());
    assert.equal(new Set(firedMs).size, firedMs.length, `${told}: no instant runs twice`);
    const named: number[] = [];
    for (const at of occurrencesAfter(daily({ expression: "0 * * * *" }), MADE, MADE)) {
      if (at > now) break;
      named.push(at.getTime());
    }
    const skipped = (await findSkipped(namespaceId)) as SkippedInstants[];
    const count = skipped.reduce((sum, each) => sum + each.count, 0);
    assert.equal(firedMs.length + count, named.length, `${told}: ${JSON.stringify(skipped)}`);
    const excluded = skipped.filter(({ reason }) => reason === "excluded");
    for (const { firstAt, lastAt } of excluded)
      for (const at of [firstAt, lastAt])
        assert.ok(!firedMs.includes(Date.parse(at)), `${told}: ${at} ran, and was excluded`);
    for (const [index, { firstAt }] of excluded.entries())
      assert.ok(index === 0 || firstAt > excluded[index - 1]!.lastAt, `${told}: ${firstAt} is told of twice`);
    assert.equal((await findTask(store, namespaceId, task.id))?.state, "cancelled");
  }
});
