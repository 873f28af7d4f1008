/** How many runs a namespace may begin on a day: exact over connections, by the UTC day, and paid for by nobody else. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../config/function-caps.ts";
import { readSettings } from "../config/settings.ts";
import type { Schedule } from "../domain/schedule/schedule.ts";
import { utcDayOf } from "../domain/utc-day.ts";
import { backfillRuns } from "./bulk/backfill.ts";
import { createBulk, findBulk } from "./bulk/bulk-actions.ts";
import { driveBulkBatch } from "./bulk/drive.ts";
import { createDailyLimits } from "./daily-limits.ts";
import { countDailyRuns, returnDailyRuns, takeDailyRuns } from "./daily-runs.ts";
import { newId } from "./ids.ts";
import type { Listener } from "./listen.ts";
import { cancelRuns } from "./runs/cancel.ts";
import { listRuns } from "./runs/read.ts";
import { stageOccurrences } from "./runs/stage.ts";
import { createTask } from "./tasks/create.ts";
import { cancelTask } from "./tasks/end.ts";
import { pauseTask, resumeTask } from "./tasks/pause-resume.ts";
import { findTask } from "./tasks/read.ts";
import { type GivenTask, httpTask } from "./testing/samples.ts";
import { openTestStore, until, untilBlocked } from "./testing/test-store.ts";
import { inTransaction } from "./transaction.ts";

const { store, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const later = (from: Date, ms: number) => new Date(from.getTime() + ms);
/** The midnight that comes next. */
const nextMidnight = () => later(utcDayOf(new Date()), DAY_MS);
/** What is staged lies ahead of the database's clock. */
const FUTURE = new Date("2036-03-03T10:00:00.000Z");

/** Those of a process. */
async function openLimits() {
  const bells: (() => void)[] = [];
  const listener = { on: async (_channel: string, ring: () => void) => bells.push(ring) };
  const clock = createManualClock(new Date("2036-03-03T22:30:00.000Z"));
  const daily = createDailyLimits({
    ...{ store, clock, listener: listener as unknown as Pick<Listener, "on"> },
    onError: (error) => assert.fail(String(error)),
  });
  await daily.refresh();
  return {
    ...{ daily, clock },
    ring() {
      for (const bell of bells) bell();
    },
  };
}

async function limitNamespace(namespaceId: string, runsPerDay: number | null): Promise<void> {
  const limits = runsPerDay === null ? null : JSON.stringify({ runsPerDay });
  await store.pool.query("UPDATE namespaces SET limits = $2 WHERE id = $1", [namespaceId, limits]);
}

async function newLimited(runsPerDay: number): Promise<string> {
  const namespaceId = await newNamespace();
  await limitNamespace(namespaceId, runsPerDay);
  return namespaceId;
}

const take = async (namespaceId: string, count: number, limit: number, day?: Date) =>
  (await takeDailyRuns(store, { namespaceId, count, limit, day })).count;

const begun = async (namespaceId: string) => (await countDailyRuns(store, namespaceId)).runs;

test("as many are given as are left, and no more, whoever asks at the same moment", async () => {
  const namespaceId = await newNamespace();
  assert.equal(await take(namespaceId, 3, 10), 3);
  const given = await Promise.all(Array.from({ length: 8 }, () => take(namespaceId, 2, 10)));
  assert.equal(
    given.reduce((sum, each) => sum + each),
    7,
  );
  assert.equal(await take(namespaceId, 1, 10), 0);
  assert.equal(await begun(namespaceId), 10);
  assert.equal(await take(namespaceId, 5, 12), 2, "an operator lets it have more");
  assert.equal(await take(namespaceId, 5, 4), 0, "or fewer");
  assert.equal(await take(await newNamespace(), 5, 0), 0);
});

test("a new day begins anew, and none comes back", async () => {
  const namespaceId = await newNamespace();
  await take(namespaceId, 10, 10);
  await store.pool.query("UPDATE daily_runs SET day = day - 1 WHERE namespace_id = $1", [namespaceId]);
  assert.equal(await begun(namespaceId), 0);
  assert.equal(await take(namespaceId, 4, 10), 4);
  assert.equal(await take(namespaceId, 3, 10, nextMidnight()), 3, "what is staged for midnight");
  assert.equal(await take(namespaceId, 8, 10), 7, "the last second of the day before counts with it");
  assert.equal(await begun(namespaceId), 10);
});

test("a clock that runs ahead begins no day but the next, whoever's it is", async () => {
  const namespaceId = await newNamespace();
  await take(namespaceId, 10, 10);
  assert.equal(await take(namespaceId, 10, 10, later(new Date(), 40 * DAY_MS)), 10, "a scheduler's");
  const { rows } = await store.pool.query(
    `SELECT day - (clock_timestamp() AT TIME ZONE 'UTC')::date AS ahead FROM daily_runs WHERE namespace_id = $1`,
    [namespaceId],
  );
  assert.ok(rows[0].ahead <= 1, "as many as there may be come again tomorrow");
  await store.pool.query("UPDATE daily_runs SET day = day + 40 WHERE namespace_id = $1", [namespaceId]);
  assert.equal(await begun(namespaceId), 0, "the database's own");
  assert.equal(await take(namespaceId, 4, 10), 4);
});

test("what was taken before midnight and did not come to be is not taken off the day after", async () => {
  const namespaceId = await newNamespace();
  const taken = await takeDailyRuns(store, { namespaceId, count: 2, limit: 10 });
  await take(namespaceId, 3, 10, nextMidnight());
  const before = await begun(namespaceId);
  await returnDailyRuns(store, namespaceId, { ...taken, day: "2001-01-01" });
  assert.equal(await begun(namespaceId), before);
  const late = await takeDailyRuns(store, { namespaceId, count: 2, limit: 10 });
  await returnDailyRuns(store, namespaceId, late);
  assert.equal(await begun(namespaceId), before, "also where it begins a second early");
});

test("who makes one more is told when there are more again, and what was not made is not counted", async () => {
  const namespaceId = await newLimited(2);
  const { daily } = await openLimits();
  const make = async () => "made";
  assert.equal(await daily.counting(store, namespaceId, make), "made");
  await assert.rejects(
    daily.counting(store, namespaceId, () => Promise.reject(new Error("not made"))),
    /not made/,
  );
  assert.equal(await daily.counting(store, namespaceId, async () => undefined), undefined);
  const both = await Promise.allSettled([1, 2].map(() => daily.counting(store, namespaceId, make)));
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  await store.pool.query("UPDATE daily_runs SET day = $2 WHERE namespace_id = $1", [
    namespaceId,
    nextMidnight(),
  ]);
  const resetsAt = later(nextMidnight(), DAY_MS).toISOString();
  const message = `the namespace may begin 2 runs a day, and may again from ${resetsAt}`;
  const refusal = await daily.counting(store, namespaceId, make).catch((error) => error);
  assert.deepEqual([refusal.code, refusal.status], ["rate_limited", 429]);
  assert.deepEqual(
    [refusal.message, refusal.fields],
    [`runsPerDay: ${message}.`, [{ field: "runsPerDay", message }]],
  );
  const wrongBy = Date.parse(resetsAt) - Date.now() - refusal.retryAfterSeconds * 1_000;
  assert.ok(Math.abs(wrongBy) < 60_000, String(wrongBy));
});

test("as a part of a transaction it is counted with it, or not at all", async () => {
  const namespaceId = await newLimited(1);
  const { daily } = await openLimits();
  const make = async () => "made";
  const refused = inTransaction(store.pool, async (tx) => {
    await daily.counting(tx, namespaceId, make, true);
    throw new Error("taken back");
  });
  await assert.rejects(refused, /taken back/);
  assert.equal(await begun(namespaceId), 0);
  assert.equal(await inTransaction(store.pool, (tx) => daily.counting(tx, namespaceId, make, true)), "made");
  await assert.rejects(
    inTransaction(store.pool, (tx) => daily.count(tx, namespaceId)),
    { status: 429 },
  );
});

test("several that a transaction has made are counted together, or are taken back together", async () => {
  const namespaceId = await newLimited(5);
  const { daily } = await openLimits();
  const count = (runs: number) => inTransaction(store.pool, (tx) => daily.count(tx, namespaceId, runs));
  await count(0);
  await count(3);
  await assert.rejects(count(3), { status: 429 });
  assert.equal(await begun(namespaceId), 3);
  await count(2);
});

test("of a namespace without a limit nothing is written, and no connection is asked for", async () => {
  const namespaceId = await newNamespace();
  const { daily } = await openLimits();
  const none = new Proxy({}, { get: () => assert.fail("the database is not asked") }) as typeof store;
  assert.equal(await daily.counting(none, namespaceId, async () => "made"), "made");
  await daily.count(none, namespaceId);
  const { rowCount } = await store.pool.query("SELECT FROM daily_runs WHERE namespace_id = $1", [
    namespaceId,
  ]);
  assert.equal(rowCount, 0);
});

test("a change is known after its bell, and a while later without one", async () => {
  const namespaceId = await newNamespace();
  const { daily, clock, ring } = await openLimits();
  await limitNamespace(namespaceId, 5);
  ring();
  await until(async () => daily.limitOf(namespaceId) === 5 || undefined);
  await limitNamespace(namespaceId, null);
  assert.equal(daily.limitOf(namespaceId), 5);
  await clock.advance(1_000);
  await until(async () => daily.limitOf(namespaceId) === undefined || undefined);
});

async function makeTask(namespaceId: string, schedule: Schedule, given: GivenTask = {}, now = FUTURE) {
  const input = httpTask(schedule, { overlap: "allow", ...given });
  return (await createTask(store, { namespaceId, input, now })).task.id;
}

const HOURLY: Schedule = { kind: "every", everyMs: HOUR_MS };

async function stage(now: Date, readyAt?: Date) {
  const { daily } = await openLimits();
  return await stageOccurrences(store, now, later(now, 1_000), 100, { readyAt, daily });
}

const skippedOf = async (namespaceId: string) =>
  (await listRuns(store, namespaceId, { state: ["skipped"] }, { limit: 50, order: "asc" })).rows.map(
    ({ skipped }) => skipped,
  );

test("an instant beyond the limit leaves a record, and its task goes on with the next", async () => {
  const [namespaceId, other] = [await newLimited(2), await newNamespace()];
  const ids: string[] = [];
  for (let made = 0; made < 3; made += 1) ids.push(await makeTask(namespaceId, HOURLY));
  await makeTask(other, HOURLY);
  const first = later(FUTURE, HOUR_MS);
  const { runs, skipped } = await stage(first);
  assert.equal(runs.length, 3, "two of the limited namespace, and the other's");
  const record = {
    ...{ reason: "limit", count: 1, firstAt: first.toISOString(), lastAt: first.toISOString() },
  };
  assert.deepEqual(skipped, [record]);
  assert.deepEqual(await skippedOf(namespaceId), [record]);
  for (const id of ids)
    assert.deepEqual((await findTask(store, namespaceId, id))!.nextRunAt, later(first, HOUR_MS));
  const again = await stage(later(first, HOUR_MS));
  assert.equal(again.runs.length, 1);
  assert.equal((await skippedOf(namespaceId)).length, 4);
});

test("what fires at midnight counts on the day that begins", async () => {
  const namespaceId = await newLimited(1);
  const midnight = nextMidnight();
  const everyDay: Schedule = { kind: "cron", expression: "0 0 * * *", timezone: "UTC" };
  await makeTask(namespaceId, everyDay, {}, later(midnight, -1_000));
  await take(namespaceId, 1, 1);
  assert.equal((await stage(later(midnight, -500))).runs.length, 1);
});

test("what was staged ahead and is taken back is not counted", async () => {
  const namespaceId = await newLimited(3);
  const ids = [await makeTask(namespaceId, HOURLY), await makeTask(namespaceId, HOURLY)];
  const first = later(FUTURE, HOUR_MS);
  assert.equal((await stage(first)).runs.length, 2);
  assert.equal(await begun(namespaceId), 2);
  await pauseTask(store, namespaceId, ids[0]!, later(first, -800));
  assert.equal(await begun(namespaceId), 1);
  await resumeTask(store, namespaceId, ids[0]!, later(first, -500));
  assert.equal((await stage(first)).runs.length, 1);
  assert.equal(await begun(namespaceId), 2, "staged anew it counts once");
  await cancelTask(store, namespaceId, ids[1]!, later(first, -200));
  assert.equal(await begun(namespaceId), 1);
});

test("a task that fires once is over with it, and one that fires so many times goes on until it has", async () => {
  const namespaceId = await newLimited(1);
  const first = later(FUTURE, HOUR_MS);
  const last = await makeTask(namespaceId, { ...HOURLY, maxRuns: 1 } as Schedule);
  const once = await makeTask(namespaceId, { kind: "once", at: first.toISOString() });
  await take(namespaceId, 1, 1, FUTURE);
  assert.deepEqual((await stage(first)).runs, []);
  assert.equal((await skippedOf(namespaceId)).length, 2);
  assert.equal((await findTask(store, namespaceId, once))!.state, "completed");
  assert.deepEqual((await findTask(store, namespaceId, last))!.nextRunAt, later(first, HOUR_MS));
  await limitNamespace(namespaceId, 2);
  assert.equal((await stage(later(first, HOUR_MS))).runs.length, 1);
  assert.equal((await findTask(store, namespaceId, last))!.nextRunAt, null);
});

test("of a backlog that is larger than the runs that a task has left, each instant runs or is told of", async () => {
  const namespaceId = await newLimited(1);
  const catchUp = { policy: "all", windowMs: null, max: 100 } as const;
  const id = await makeTask(namespaceId, { ...HOURLY, maxRuns: 3 } as Schedule, { catchUp });
  const now = later(FUTURE, 5 * HOUR_MS);
  await stage(now);
  assert.deepEqual((await findTask(store, namespaceId, id))!.nextRunAt, later(FUTURE, 4 * HOUR_MS));
  await stage(now);
  assert.equal(await begun(namespaceId), 1);
  assert.deepEqual(
    (await skippedOf(namespaceId)).map((each) => [each?.firstAt, each?.lastAt]),
    [
      [2, 3],
      [4, 5],
    ].map((hours) => hours.map((hour) => later(FUTURE, hour * HOUR_MS).toISOString())),
  );
  assert.deepEqual((await findTask(store, namespaceId, id))!.nextRunAt, later(now, HOUR_MS));
  await limitNamespace(namespaceId, 10);
  await stage(later(now, 4 * HOUR_MS));
  assert.equal(await begun(namespaceId), 3);
  assert.equal((await findTask(store, namespaceId, id))!.nextRunAt, null);
});

test("by a clock for tests it is today, whatever instant it shows", async () => {
  const namespaceId = await newLimited(1);
  await makeTask(namespaceId, HOURLY);
  assert.equal((await stage(later(FUTURE, HOUR_MS), new Date())).runs.length, 1);
  assert.equal((await stage(later(FUTURE, 30 * HOUR_MS), new Date())).runs.length, 0);
  assert.equal(await begun(namespaceId), 1);
});

async function askBulk(
  namespaceId: string,
  given: { action: "run"; resource: "tasks" } | { action: "replay"; resource: "runs" },
) {
  const id = newId();
  await inTransaction(store.pool, (tx) =>
    createBulk(tx, { ...given, id, namespaceId, filter: {}, traceparent: undefined }),
  );
  const functionCaps = toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {}));
  const { daily } = await openLimits();
  return {
    drive: () => driveBulkBatch(store, { clock: createManualClock(new Date()), functionCaps, daily }),
    find: async () => (await findBulk(store, namespaceId, id))!,
  };
}

test("a bulk action names the runs that found no room", async () => {
  const namespaceId = await newLimited(2);
  for (let made = 0; made < 3; made += 1) await makeTask(namespaceId, HOURLY);
  const asked = await askBulk(namespaceId, { action: "run", resource: "tasks" });
  await asked.drive();
  const bulk = await asked.find();
  assert.deepEqual([bulk.done, bulk.failed, bulk.failures[0]!.code], [2, 1, "rate_limited"]);
});

test("who replays many holds no runs of the day while he waits for a task that is being staged", async () => {
  const namespaceId = await newLimited(10);
  const ids = [await makeTask(namespaceId, HOURLY), await makeTask(namespaceId, HOURLY)];
  await stage(later(FUTURE, HOUR_MS));
  await cancelRuns(store, namespaceId, { taskIds: ids });
  const asked = await askBulk(namespaceId, { action: "replay", resource: "runs" });
  let driving: Promise<unknown> | undefined;
  await inTransaction(store.pool, async (tx) => {
    await tx.pool.query("SELECT FROM tasks WHERE id = $1 FOR UPDATE", [ids[1]]);
    driving = asked.drive();
    driving.catch(() => {});
    await untilBlocked(store);
    assert.equal((await takeDailyRuns(tx, { namespaceId, count: 1, limit: 10 })).count, 1);
  });
  await driving;
  assert.equal((await asked.find()).done, 2);
  assert.equal(await begun(namespaceId), 5);
});

test("a backfill of a task that is cancelled begins no run of the day", async () => {
  const namespaceId = await newLimited(10);
  const taskId = await makeTask(namespaceId, HOURLY);
  await cancelTask(store, namespaceId, taskId, new Date());
  const backfill = { taskId, from: "", to: "", overlap: "allow", max: 10 } as const;
  const batch = { namespaceId, backfill, instants: [FUTURE], lastRunId: null, traceparent: null };
  assert.deepEqual(await inTransaction(store.pool, (tx) => backfillRuns(tx, batch, 10)), { kind: "over" });
  assert.equal(await begun(namespaceId), 0);
});
