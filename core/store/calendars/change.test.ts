/** What a change of a calendar does to the tasks that name it. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { createRandom } from "../../../test/support/random.ts";
import { nextOccurrence } from "../../domain/schedule/occurrences.ts";
import type { CronSchedule } from "../../domain/schedule/schedule.ts";
import { BellhopError } from "../../errors.ts";
import { toJsonText } from "../json-text.ts";
import { listRuns } from "../runs/read.ts";
import { stageOccurrences } from "../runs/stage.ts";
import { createTask } from "../tasks/create.ts";
import { cancelTask } from "../tasks/end.ts";
import { pauseTask, resumeTask } from "../tasks/pause-resume.ts";
import { findTask } from "../tasks/read.ts";
import { changeTask } from "../tasks/redefine.ts";
import { SEEK_AGAIN_MS, seekInstants } from "../tasks/seek-instants.ts";
import { listUpcoming } from "../tasks/upcoming.ts";
import { httpTask } from "../testing/samples.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { deleteCalendar, findCalendar, listCalendars, MAX_CALENDARS } from "./calendars.ts";
import { putCalendar } from "./change.ts";

const { store, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

// What is staged is taken back by the database's clock: it lies in its future.
const MADE = new Date("2036-03-03T10:00:00.000Z");
const on = (day: number, time = "09:00") =>
  new Date(`2036-03-${String(day).padStart(2, "0")}T${time}:00.000Z`);
const dateOf = (day: number) => on(day).toISOString().slice(0, 10);
const daily = (given: Partial<CronSchedule> = {}): CronSchedule => ({
  ...{ kind: "cron", expression: "0 9 * * *", timezone: "UTC", exclude: { calendar: "days" } },
  ...given,
});
const inputOf = (schedule: CronSchedule) => httpTask(schedule, { overlap: "allow" });

const put = (namespaceId: string, days: number[], now = MADE) =>
  putCalendar(store, namespaceId, "days", days.map(dateOf), () => now);

async function makeTask(namespaceId: string, schedule = daily()): Promise<string> {
  return (await createTask(store, { namespaceId, input: inputOf(schedule), now: MADE })).task.id;
}

const nextOf = async (namespaceId: string, id: string) => (await findTask(store, namespaceId, id))?.nextRunAt;
const stage = (now: Date) => stageOccurrences(store, now, new Date(now.getTime() + 1_000), 1_000);
const refusedAs = (code: string) => (error: unknown) => error instanceof BellhopError && error.code === code;

test("a calendar is made, shown with its dates in order, and listed", async () => {
  const namespaceId = await newNamespace();
  assert.equal((await put(namespaceId, [6, 4, 6])).isNew, true);
  assert.deepEqual((await findCalendar(store, namespaceId, "days"))?.dates, [dateOf(4), dateOf(6)]);
  const { calendar, isNew } = await put(namespaceId, [5]);
  assert.deepEqual([isNew, calendar.dates], [false, [dateOf(5)]]);
  assert.deepEqual(
    (await listCalendars(store, namespaceId)).map(({ name, dateCount }) => [name, dateCount]),
    [["days", 1]],
  );
  assert.deepEqual(await listCalendars(store, await newNamespace()), []);
});

test("its tasks go by new dates at once, those of other namespaces and schedules do not", async () => {
  const [namespaceId, other] = [await newNamespace(), await newNamespace()];
  await put(namespaceId, [4, 5]);
  await put(other, []);
  const [id, free, stranger] = [
    await makeTask(namespaceId),
    await makeTask(namespaceId, daily({ exclude: { dates: [dateOf(4)] } })),
    await makeTask(other),
  ];
  assert.deepEqual(await nextOf(namespaceId, id), on(6));
  await put(namespaceId, [4, 5, 6]);
  assert.deepEqual(await nextOf(namespaceId, id), on(7), "a date more");
  await put(namespaceId, [5]);
  assert.deepEqual(await nextOf(namespaceId, id), on(4), "an instant that was excluded");
  assert.deepEqual([await nextOf(namespaceId, free), await nextOf(other, stranger)], [on(5), on(4)]);
  const shown = await listUpcoming(store, namespaceId, on(7), undefined, 10);
  assert.deepEqual(
    shown.filter(({ taskId }) => taskId === id).map(({ nominalAt }) => nominalAt),
    [on(4), on(6), on(7)],
  );
});

test("what is staged for a day that is excluded meanwhile is taken back", async () => {
  const namespaceId = await newNamespace();
  await put(namespaceId, []);
  const id = await makeTask(namespaceId);
  const before = new Date(on(4).getTime() - 500);
  assert.equal((await stage(before)).runs.length, 1);
  await put(namespaceId, [4], before);
  assert.deepEqual((await listRuns(store, namespaceId, {}, { limit: 10 })).rows, []);
  assert.deepEqual(await nextOf(namespaceId, id), on(5));
  await stage(on(5));
  const { rows } = await listRuns(store, namespaceId, { state: ["skipped"] }, { limit: 10 });
  assert.deepEqual(
    rows.map(({ skipped }) => [skipped?.reason, skipped?.count, skipped?.firstAt]),
    [["excluded", 1, on(4).toISOString()]],
  );
});

test("a day that has passed stays excluded, whatever the calendar becomes", async () => {
  const namespaceId = await newNamespace();
  await put(namespaceId, [4]);
  const id = await makeTask(namespaceId);
  await put(namespaceId, [], on(4, "12:00"));
  assert.deepEqual(await nextOf(namespaceId, id), on(5));
  const { rows } = await listRuns(store, namespaceId, { state: ["skipped"] }, { limit: 10 });
  assert.deepEqual(
    rows.map(({ skipped }) => [skipped?.reason, skipped?.firstAt]),
    [["excluded", on(4).toISOString()]],
  );
});

test("an instant that was missed and is excluded meanwhile does not fire any more", async () => {
  const namespaceId = await newNamespace();
  await put(namespaceId, []);
  await makeTask(namespaceId);
  await put(namespaceId, [4], on(4, "12:00"));
  assert.deepEqual((await stage(on(4, "12:00"))).runs, []);
});

test("a paused task moves with its calendar, and stays paused", async () => {
  const namespaceId = await newNamespace();
  await put(namespaceId, []);
  const id = await makeTask(namespaceId);
  await pauseTask(store, namespaceId, id, MADE);
  await put(namespaceId, [4]);
  assert.equal((await findTask(store, namespaceId, id))?.state, "paused");
  assert.deepEqual((await resumeTask(store, namespaceId, id, MADE)).nextRunAt, on(5));
});

test("dates that leave no instant for long keep the task, flagged, until others are there", async () => {
  const namespaceId = await newNamespace();
  await put(namespaceId, []);
  const id = await makeTask(namespaceId);
  const dates = Array.from({ length: 5_000 }, (_none, day) =>
    new Date(MADE.getTime() + day * 86_400_000).toISOString().slice(0, 10),
  );
  await putCalendar(store, namespaceId, "days", dates, () => MADE);
  const flagged = await findTask(store, namespaceId, id);
  assert.equal(flagged?.state, "active");
  assert.match(flagged.scheduleError!, /excluded/);
  const later = new Date(Date.now() + 2 * SEEK_AGAIN_MS);
  assert.deepEqual(await seekInstants(store, later, 10), { tried: 1, found: 0 });
  await put(namespaceId, [4]);
  const found = await findTask(store, namespaceId, id);
  assert.deepEqual([found?.scheduleError, found?.nextRunAt], [null, on(5)]);
});

test("a calendar that tasks name is not removed, and those are named; one that none names any more is", async () => {
  const namespaceId = await newNamespace();
  await put(namespaceId, []);
  const id = await makeTask(namespaceId);
  await assert.rejects(deleteCalendar(store, namespaceId, "days"), (error: BellhopError) => {
    assert.deepEqual([error.status, error.code], [409, "calendar_in_use"]);
    return error.message.includes(id);
  });
  await cancelTask(store, namespaceId, id, MADE);
  await assert.rejects(deleteCalendar(store, await newNamespace(), "days"), refusedAs("not_found"));
  await deleteCalendar(store, namespaceId, "days");
  assert.equal(await findCalendar(store, namespaceId, "days"), undefined);
  assert.equal((await findTask(store, namespaceId, id))?.state, "cancelled");
});

test("a task cannot name a calendar that is not there, or that leaves it no instant", async () => {
  const namespaceId = await newNamespace();
  await assert.rejects(makeTask(namespaceId), refusedAs("unknown_calendar"));
  await put(namespaceId, [4]);
  await assert.rejects(
    makeTask(namespaceId, daily({ endAt: on(4).toISOString() })),
    refusedAs("invalid_input"),
  );
  assert.equal((await store.pool.query("SELECT FROM tasks")).rowCount, 0);
});

test("a task that is made while its calendar changes waits, and goes by what it finds", async () => {
  const namespaceId = await newNamespace();
  await put(namespaceId, []);
  const making = await inTransaction(store.pool, async ({ pool }) => {
    await pool.query(
      "UPDATE calendars SET dates = $2, content_id = gen_random_uuid() WHERE namespace_id = $1",
      [namespaceId, [dateOf(4)]],
    );
    const id = makeTask(namespaceId);
    await untilBlocked(store);
    return { id };
  });
  assert.deepEqual(await nextOf(namespaceId, await making.id), on(5));
});

test("a change waits for a task that is about to name the calendar, and moves it", async () => {
  const namespaceId = await newNamespace();
  await put(namespaceId, []);
  const id = await makeTask(namespaceId, daily({ exclude: { dates: [dateOf(9)] } }));
  const { changing } = await inTransaction(store.pool, async ({ pool }) => {
    await pool.query("SELECT FROM calendars WHERE namespace_id = $1 FOR SHARE", [namespaceId]);
    const change = put(namespaceId, [4]);
    await untilBlocked(store);
    await pool.query("UPDATE tasks SET schedule = $2 WHERE id = $1", [id, toJsonText(daily())]);
    await pool.query("UPDATE task_exclusions SET calendar = 'days' WHERE task_id = $1", [id]);
    return { changing: change };
  });
  await changing;
  assert.deepEqual(await nextOf(namespaceId, id), on(5));
});

test("stagings, changes of tasks and of their calendar at once leave every cursor where the last dates have it", async () => {
  const namespaceId = await newNamespace();
  await put(namespaceId, []);
  const hourly = daily({ expression: "0 * * * *" });
  const ids = await Promise.all(Array.from({ length: 12 }, () => makeTask(namespaceId, hourly)));
  for (let round = 1; round <= 4; round += 1) {
    const random = createRandom(round);
    const now = new Date(MADE.getTime() + round * 3_600_000);
    const change = { input: inputOf(hourly), functionId: null, reschedules: true };
    const work = [
      () => stage(now),
      () =>
        put(
          namespaceId,
          [3, 4, 5].filter(() => random.next() < 0.5),
          now,
        ),
      () => changeTask(store, namespaceId, random.pick(ids), now, async () => change),
      () => makeTask(namespaceId, hourly).then((id) => ids.push(id)),
    ];
    await Promise.all(Array.from({ length: 24 }, (_none, index) => work[index % work.length]!()));
    const { rows } = await store.pool.query<{ next: Date; until: Date; dates: string[] }>(
      `SELECT t.next_run_at AS next, e.settled_until AS until, c.dates FROM tasks t
       JOIN task_exclusions e ON e.task_id = t.id
       JOIN calendars c ON c.namespace_id = e.namespace_id AND c.name = e.calendar`,
    );
    assert.equal(rows.length, ids.length);
    for (const { next, until, dates } of rows) {
      const isDue = next <= now;
      const after = isDue ? new Date(next.getTime() - 1) : new Date(Math.max(until.getTime(), now.getTime()));
      assert.deepEqual(next, nextOccurrence(hourly, MADE, after, new Set(dates)), `round ${round}`);
    }
  }
});

test(`a namespace has at most ${MAX_CALENDARS} calendars`, async () => {
  const namespaceId = await newNamespace();
  await store.pool.query(
    `INSERT INTO calendars (namespace_id, name, dates, content_id)
     SELECT $1, 'c' || n, '{}', gen_random_uuid() FROM generate_series(1, ${MAX_CALENDARS}) AS n`,
    [namespaceId],
  );
  await assert.rejects(put(namespaceId, [4]), refusedAs("too_many_calendars"));
  assert.equal((await putCalendar(store, namespaceId, "c1", [dateOf(4)], () => MADE)).isNew, false);
});

test("of calendars that are made at once no more stand than a namespace may have", async () => {
  const namespaceId = await newNamespace();
  for (let made = 1; made < MAX_CALENDARS; made += 1)
    await putCalendar(store, namespaceId, `days-${made}`, [], () => MADE);
  const { making } = await inTransaction(store.pool, async ({ pool }) => {
    await pool.query("SELECT FROM namespaces WHERE id = $1 FOR NO KEY UPDATE", [namespaceId]);
    const making = assert.rejects(put(namespaceId, []), refusedAs("too_many_calendars"));
    await untilBlocked(store);
    await pool.query(
      "INSERT INTO calendars (namespace_id, name, dates, content_id) VALUES ($1, 'last', '{}', gen_random_uuid())",
      [namespaceId],
    );
    return { making };
  });
  await making;
  assert.equal((await listCalendars(store, namespaceId)).length, MAX_CALENDARS);
});

test("a change that waited for a task goes by when it had it: what fired meanwhile fires once", async () => {
  const namespaceId = await newNamespace();
  await put(namespaceId, [20]);
  const id = await makeTask(namespaceId);
  let now = on(4, "08:59");
  const staging = await store.pool.connect();
  await staging.query("BEGIN");
  // As who stages the run of 09:00 does.
  await staging.query("UPDATE tasks SET next_run_at = $2 WHERE id = $1", [id, on(5)]);
  const changing = putCalendar(store, namespaceId, "days", [dateOf(21)], () => now);
  await untilBlocked(store);
  now = on(4, "09:01");
  await staging.query("COMMIT");
  staging.release();
  await changing;
  assert.deepEqual(await nextOf(namespaceId, id), on(5));
});
