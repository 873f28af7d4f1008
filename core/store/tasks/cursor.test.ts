/** What a schedule's jitter, its `maxRuns` and an instant that cannot be found do to a task's cursor. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { jitterOffsetMs } from "../../domain/schedule/jitter.ts";
import type { CronSchedule, Schedule } from "../../domain/schedule/schedule.ts";
import { toJsonText } from "../json-text.ts";
import { findNextInstants } from "../runs/next-instants.ts";
import { findRun } from "../runs/read.ts";
import { readStats } from "../stats.ts";
import { httpTask } from "../testing/samples.ts";
import { stageDueTasks } from "../testing/stage-runs.ts";
import { openTestStore } from "../testing/test-store.ts";
import { createTask } from "./create.ts";
import { cancelTask } from "./end.ts";
import { pauseTask, resumeTask } from "./pause-resume.ts";
import { findTask, listTasks } from "./read.ts";
import { SEEK_AGAIN_MS, seekInstants } from "./seek-instants.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

// Staged runs are taken back by the database's clock: they lie in its future.
const MIDNIGHT = new Date("2036-03-03T00:00:00.000Z");
const MADE = new Date("2036-03-02T10:00:00.000Z");
const later = (from: Date, ms: number) => new Date(from.getTime() + ms);
const DAY_MS = 86_400_000;
const midnight = (given: Partial<CronSchedule> = {}): CronSchedule => ({
  ...{ kind: "cron", expression: "@midnight", timezone: "UTC" },
  ...given,
});

async function makeTask(schedule: Schedule) {
  const namespaceId = await newNamespace();
  const { task } = await createTask(store, {
    namespaceId,
    input: httpTask(schedule, { overlap: "allow" }),
    now: MADE,
  });
  return { namespaceId, id: task.id, task };
}

const stageUntil = (until: Date, now = until) => stageDueTasks(store, now, until, 10_000);

test("a task with jitter is staged for its own offset; what is shown of it is nominal", async () => {
  const { namespaceId, id, task } = await makeTask(midnight({ jitterMs: 60_000 }));
  const offsetMs = jitterOffsetMs(task.schedule, id);
  assert.ok(offsetMs > 0 && offsetMs < 60_000);
  assert.deepEqual(task.nextRunAt, MIDNIGHT);
  assert.deepEqual((await findTask(store, namespaceId, id))?.nextRunAt, MIDNIGHT);
  assert.deepEqual((await findNextInstants(store)).due, later(MIDNIGHT, offsetMs));
  assert.deepEqual(await stageUntil(later(MIDNIGHT, offsetMs - 1)), []);
  const [staged] = await stageUntil(later(MIDNIGHT, offsetMs));
  assert.deepEqual(staged?.availableAt, later(MIDNIGHT, offsetMs));
  const run = await findRun(store, namespaceId, staged.runId);
  assert.deepEqual([run?.scheduledFor, run?.availableAt], [MIDNIGHT, later(MIDNIGHT, offsetMs)]);
  assert.deepEqual((await findTask(store, namespaceId, id))?.nextRunAt, later(MIDNIGHT, DAY_MS));
  assert.deepEqual(
    (await findNextInstants(store)).due,
    later(MIDNIGHT, DAY_MS + offsetMs),
    "its own minute again",
  );
});

test("filters by the next instant go by the nominal one", async () => {
  const { namespaceId } = await makeTask(midnight({ jitterMs: 60_000 }));
  const found = async (filter: object) =>
    (await listTasks(store, namespaceId, filter, { limit: 9 })).rows.length;
  assert.equal(await found({ nextAfter: MIDNIGHT }), 1);
  assert.equal(await found({ nextBefore: later(MIDNIGHT, 1) }), 1);
  assert.equal(await found({ nextAfter: later(MIDNIGHT, 1) }), 0);
});

test("what was staged within the window is taken back by a pause, and comes back with the resume", async () => {
  const { namespaceId, id, task } = await makeTask(midnight({ jitterMs: 60_000 }));
  const offsetMs = jitterOffsetMs(task.schedule, id);
  const [staged] = await stageUntil(later(MIDNIGHT, offsetMs), later(MIDNIGHT, offsetMs - 500));
  const within = later(MIDNIGHT, offsetMs - 400);
  await pauseTask(store, namespaceId, id, within);
  assert.equal(await findRun(store, namespaceId, staged!.runId), undefined);
  const resumed = await resumeTask(store, namespaceId, id, within);
  assert.deepEqual(resumed.nextRunAt, MIDNIGHT, "its effective instant is still to come");
  assert.deepEqual(
    (await stageUntil(later(MIDNIGHT, offsetMs))).map(({ availableAt }) => availableAt),
    [later(MIDNIGHT, offsetMs)],
  );
});

test("maxRuns counts scheduled runs; one that is taken back does not count", async () => {
  const { namespaceId, id } = await makeTask(midnight({ maxRuns: 2 }));
  await stageUntil(MIDNIGHT);
  await pauseTask(store, namespaceId, id, MADE);
  await resumeTask(store, namespaceId, id, MADE);
  assert.equal((await stageUntil(MIDNIGHT)).length, 1);
  assert.equal((await stageUntil(later(MIDNIGHT, DAY_MS))).length, 1);
  const { state, next_run_at } = await db
    .selectFrom("tasks")
    .select(["state", "next_run_at"])
    .executeTakeFirstOrThrow();
  assert.deepEqual([state, next_run_at], ["completed", null]);
  assert.deepEqual(await stageUntil(later(MIDNIGHT, 9 * DAY_MS)), []);
});

/** As after an update of Node that does not know the zone any more. */
const loseZone = (id: string) =>
  db
    .updateTable("tasks")
    .set({ schedule: toJsonText(midnight({ timezone: "Mars/Phobos" })) })
    .where("id", "=", id)
    .execute();
const findZone = (id: string) =>
  db
    .updateTable("tasks")
    .set({ schedule: toJsonText(midnight()) })
    .where("id", "=", id)
    .execute();

test("a next instant that cannot be found does not end the task: it fires, is flagged, and looked at again", async () => {
  const { namespaceId, id } = await makeTask(midnight());
  const other = await makeTask(midnight());
  await loseZone(id);
  assert.equal((await stageUntil(MIDNIGHT)).length, 2, "it holds up no other task");
  const lost = await findTask(store, namespaceId, id);
  assert.deepEqual([lost?.state, lost?.nextRunAt], ["active", null]);
  assert.match(lost?.scheduleError ?? "", /Mars\/Phobos/);
  assert.equal((await readStats(store)).tasksWithoutInstant, 1);
  assert.deepEqual(await seekInstants(store, MIDNIGHT, 10), { tried: 1, found: 0 });
  assert.deepEqual(await seekInstants(store, MIDNIGHT, 10), { tried: 0, found: 0 }, "not at once again");
  await findZone(id);
  const again = later(MIDNIGHT, SEEK_AGAIN_MS);
  assert.deepEqual(await seekInstants(store, again, 10), { tried: 1, found: 1 });
  const found = await findTask(store, namespaceId, id);
  assert.deepEqual([found?.nextRunAt, found?.scheduleError], [later(MIDNIGHT, DAY_MS), null]);
  assert.equal((await readStats(store)).tasksWithoutInstant, 0);
  assert.equal((await findTask(store, other.namespaceId, other.id))?.scheduleError, null);
});

test("a task whose instant cannot be found is paused, resumed and cancelled like others", async () => {
  const { namespaceId, id } = await makeTask(midnight());
  await loseZone(id);
  await stageUntil(MIDNIGHT);
  assert.equal((await pauseTask(store, namespaceId, id, MIDNIGHT)).state, "paused");
  assert.deepEqual(await seekInstants(store, MIDNIGHT, 10), { tried: 0, found: 0 });
  const resumed = await resumeTask(store, namespaceId, id, MIDNIGHT);
  assert.deepEqual([resumed.state, resumed.nextRunAt], ["active", null]);
  assert.match(resumed.scheduleError ?? "", /Mars\/Phobos/);
  await cancelTask(store, namespaceId, id, MIDNIGHT);
  assert.equal((await readStats(store)).tasksWithoutInstant, 0);
});

test("10,000 midnight tasks with a minute's jitter are staged over the minute, each for its own instant", async () => {
  const namespaceId = await newNamespace();
  const { task } = await createTask(store, {
    ...{ namespaceId, input: httpTask(midnight({ jitterMs: 60_000 })), now: MADE },
  });
  await db.deleteFrom("tasks").execute();
  const ids = Array.from({ length: 10_000 }, () => crypto.randomUUID());
  const offsets = new Map(ids.map((id) => [id, jitterOffsetMs(task.schedule, id)]));
  const rows = [...offsets].map(([id, offsetMs]) => ({ id, ms: offsetMs }));
  await store.pool.query(
    `INSERT INTO tasks (id, namespace_id, state, type, spec, schedule, anchor_at, next_run_at, jitter_offset_ms, policy,
       retry, timeout_ms, dead_letter, labels)
     SELECT t.id, $2, 'active', 'http', '{}', $3, $4, $5::timestamptz + t.ms * interval '1 millisecond', t.ms, '{}', '{}',
       5000, true, '{}' FROM json_to_recordset($1) AS t(id uuid, ms int)`,
    [JSON.stringify(rows), namespaceId, toJsonText(task.schedule), MADE, MIDNIGHT],
  );
  const perSecond: number[] = [];
  for (let second = 1; second <= 60; second += 1) {
    const now = later(MIDNIGHT, second * 1_000 - 1);
    perSecond.push((await stageUntil(now)).length);
  }
  assert.equal(
    perSecond.reduce((sum, count) => sum + count, 0),
    10_000,
  );
  // 167 a second on average, with a deviation of 13.
  assert.ok(Math.max(...perSecond) < 250 && Math.min(...perSecond) > 100, perSecond.join());
});
