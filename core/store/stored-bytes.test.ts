/** How much namespaces store: measured where it is limited, by the days on which it goes, and no run begins while it is too much. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { utcDayOf } from "../domain/utc-day.ts";
import { createDailyLimits } from "./daily-limits.ts";
import { setKv } from "./functions/kv.ts";
import { ensurePartitions } from "./partitions.ts";
import { finishAttempts } from "./runs/finish.ts";
import { stageOccurrences } from "./runs/stage.ts";
import {
  findStoredBytes,
  listFull,
  type MeasureOptions,
  measureStoredBytes,
  READ_TODAY,
} from "./stored-bytes.ts";
import { createTask } from "./tasks/create.ts";
import { claim, deployFunction, finished, httpTask, makeWorker, queueInvocation } from "./testing/samples.ts";
import { openTestStore } from "./testing/test-store.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(async () => {
  await clear();
  await store.pool.query("UPDATE namespaces SET limits = NULL");
});

const DAY_MS = 86_400_000;
const RETENTION_DAYS = 3;
/** What every pass takes for the day, and runs end on, however late it becomes meanwhile. */
const TODAY_MS = utcDayOf(new Date()).getTime();
/** Nothing that compression makes smaller. */
const TEXT = randomBytes(750).toString("base64");

async function newLimited(storedBytes: number, more = {}): Promise<string> {
  const namespaceId = await newNamespace();
  await limit(namespaceId, { storedBytes, ...more });
  await deployFunction(db, namespaceId, "greet");
  return namespaceId;
}

const limit = (namespaceId: string, limits: object | null) =>
  store.pool.query("UPDATE namespaces SET limits = $2 WHERE id = $1", [
    namespaceId,
    limits && JSON.stringify(limits),
  ]);

const OPTIONS = { retentionDays: RETENTION_DAYS, budgetMs: 60_000, restMs: () => 0, nowMs: () => 0 };
const dayOf = (daysAgo: number) => new Date(TODAY_MS - daysAgo * DAY_MS).toISOString().slice(0, 10);

/** `isTooMuch`: of which statements the database has enough before they end. */
async function measure(
  options: Partial<MeasureOptions> = {},
  isTooMuch: (text: string, values: unknown[]) => boolean = () => false,
): Promise<void> {
  const pool = {
    query: async (text: string, values: unknown[] = []) => {
      if (text === READ_TODAY) return { rows: [{ today: dayOf(0) }] };
      if (isTooMuch(text, values)) throw new Error("it takes too long");
      return await store.pool.query(text, values);
    },
  };
  await measureStoredBytes({ ...store, pool: pool as typeof store.pool }, { ...OPTIONS, ...options });
}

const bytesOf = async (namespaceId: string) => (await findStoredBytes(store, namespaceId)).bytes;

/** A call that ended at noon; `daysAgo` by the partitions' days. */
async function runOnce(namespaceId: string, daysAgo = 0): Promise<void> {
  const workerId = await makeWorker(db);
  const run = await claim(
    store,
    workerId,
    await queueInvocation(store, namespaceId, "greet", { input: TEXT }),
  );
  const line = { at: new Date(), level: "info", message: TEXT };
  await finishAttempts(store, workerId, [
    finished(run, workerId, { state: "succeeded", result: TEXT }, [line]),
  ]);
  const at = new Date(TODAY_MS - (daysAgo - 0.5) * DAY_MS);
  await ensurePartitions(db, at);
  await store.pool.query("UPDATE task_runs SET finished_at = $2 WHERE id = $1", [run.id, at]);
  await store.pool.query("UPDATE task_logs SET at = $2 WHERE run_id = $1", [run.id, at]);
}

async function openLimits() {
  const daily = createDailyLimits({
    ...{ store, clock: createManualClock(new Date()), listener: { on: async () => {} } },
    onError: (error) => assert.fail(String(error)),
  });
  await daily.refresh();
  return daily;
}

test("what runs were given, answered and logged counts, open ones and functions' keys too", async () => {
  const namespaceId = await newLimited(1);
  await measure();
  assert.equal(await bytesOf(namespaceId), 0);
  await queueInvocation(store, namespaceId, "greet", { input: TEXT });
  await measure();
  const open = await bytesOf(namespaceId);
  assert.ok(open > 1_000 && open < 1_200, String(open));
  await runOnce(namespaceId);
  await measure();
  const ended = (await bytesOf(namespaceId)) - open;
  assert.ok(ended > 3_000 && ended < 3_600, String(ended));
  const { rows } = await store.pool.query<{ id: string }>("SELECT id FROM functions");
  const quota = { keys: 10, bytes: 10_000 };
  await setKv(store, rows[0]!.id, { key: "k", value: JSON.stringify(TEXT), ifVersion: undefined }, quota);
  await measure();
  assert.ok((await bytesOf(namespaceId)) - open - ended >= 1_000);
});

test("only namespaces with the limit are measured, and those that had it are forgotten", async () => {
  const [limited, other] = [await newLimited(1), await newNamespace()];
  await deployFunction(db, other, "greet");
  await runOnce(limited);
  await runOnce(other);
  await measure();
  const isMeasured = async (id: string) =>
    (await store.pool.query("SELECT FROM stored_bytes WHERE namespace_id = $1", [id])).rowCount !== 0;
  assert.deepEqual([await isMeasured(limited), await isMeasured(other)], [true, false]);
  await limit(limited, null);
  await measure();
  assert.equal(await isMeasured(limited), false);
});

test("days that are over are measured one after another, the one that was longest ago first", async () => {
  const namespaceId = await newLimited(1);
  await runOnce(namespaceId, 2);
  await runOnce(namespaceId, 3);
  const pass = () => measure({ budgetMs: 0 });
  await pass();
  const first = await bytesOf(namespaceId);
  assert.ok(first > 3_000 && first < 3_600, String(first));
  await pass();
  assert.ok((await bytesOf(namespaceId)) > 6_000);
  await store.pool.query("DELETE FROM task_runs WHERE finished_at < 'infinity'");
  await store.pool.query("DELETE FROM task_logs");
  await pass();
  await pass();
  assert.equal(await bytesOf(namespaceId), 0, "what was erased is not counted any more");
});

test("one that cannot be measured keeps no other from its turn, and has its own at the next pass", async () => {
  const namespaceIds = [await newLimited(1), await newLimited(1)];
  for (const namespaceId of namespaceIds) await queueInvocation(store, namespaceId, "greet", { input: TEXT });
  const measured = async () => {
    const bytes = await Promise.all(namespaceIds.map(bytesOf));
    return bytes.map((each) => each > 1_000);
  };
  const failing = measure({}, (text, [id]) => id === namespaceIds[0] && text.includes("task_runs_open"));
  await assert.rejects(failing, { message: "it takes too long" });
  assert.deepEqual(await measured(), [false, true]);
  await measure();
  assert.deepEqual(await measured(), [true, true]);
});

test("what has no day cannot be measured: the days are all the same, and the namespace is due again", async () => {
  const namespaceId = await newLimited(1);
  for (const daysAgo of [0, 1, 2]) await runOnce(namespaceId, daysAgo);
  const failing = () => measure({}, (text) => text.includes("task_runs_open"));
  await assert.rejects(failing(), { message: "it takes too long" });
  const bytes = await bytesOf(namespaceId);
  assert.ok(bytes > 9_000 && bytes < 10_800, String(bytes));
  assert.deepEqual(await listFull(store), [namespaceId]);
  await runOnce(namespaceId);
  await assert.rejects(failing());
  assert.ok((await bytesOf(namespaceId)) > 12_000);
});

test("a day that cannot be measured has had its turn, and the next one comes", async () => {
  const namespaceId = await newLimited(1);
  await runOnce(namespaceId, 2);
  await runOnce(namespaceId, 3);
  let isFailing = true;
  const pass = () =>
    measure({ budgetMs: 0 }, (text, [, day]) => isFailing && day === dayOf(2) && text.includes("task_runs"));
  await assert.rejects(pass());
  assert.equal(await bytesOf(namespaceId), 0);
  await pass();
  const first = await bytesOf(namespaceId);
  assert.ok(first > 3_000 && first < 3_600, String(first));
  isFailing = false;
  await pass();
  assert.ok((await bytesOf(namespaceId)) > 6_000);
});

test("what one scheduler measures, or has measured a moment ago, no other one does", async () => {
  const namespaceId = await newLimited(1);
  await measure({ restMs: () => 60_000 });
  await queueInvocation(store, namespaceId, "greet", { input: TEXT });
  await measure();
  assert.equal(await bytesOf(namespaceId), 0);
  await store.pool.query("UPDATE stored_bytes SET next_at = '-infinity' WHERE namespace_id = $1", [
    namespaceId,
  ]);
  await measure();
  assert.ok((await bytesOf(namespaceId)) > 1_000);
});

test("a namespace that stores as much as it may begins no run, and is told which limit it is and when that resets", async () => {
  const namespaceId = await newLimited(5_000);
  await runOnce(namespaceId, 2);
  await runOnce(namespaceId);
  const before = await openLimits();
  assert.equal(before.limitOf(namespaceId), undefined, "it was not measured yet");
  await measure();
  const daily = await openLimits();
  assert.equal(daily.limitOf(namespaceId), 0);
  const roomFrom = new Date(TODAY_MS + (RETENTION_DAYS + 1 - 2) * DAY_MS);
  assert.deepEqual((await findStoredBytes(store, namespaceId)).roomFrom, roomFrom);
  const refusal = await daily
    .counting(store, namespaceId, async () => assert.fail("it is made"))
    .catch((error) => error);
  assert.deepEqual(
    [refusal.code, refusal.status, refusal.fields[0].field],
    ["rate_limited", 429, "storedBytes"],
  );
  assert.match(
    refusal.message,
    new RegExp(`^storedBytes: the namespace may store 5,000 bytes.*${roomFrom.toISOString()}`),
  );
  assert.ok(Math.abs(roomFrom.getTime() - Date.now() - refusal.retryAfterSeconds * 1_000) < 60_000);
});

test("where no day that goes makes room, none is named", async () => {
  const namespaceId = await newLimited(500);
  await queueInvocation(store, namespaceId, "greet", { input: TEXT });
  await measure();
  const daily = await openLimits();
  await assert.rejects(daily.count(store, namespaceId), {
    ...{ status: 429, retryAfterSeconds: undefined },
    message: /begins runs again once it stores less/,
  });
});

test("an instant of a schedule that finds no room is skipped, whatever is left of the runs of the day", async () => {
  const namespaceId = await newLimited(500, { runsPerDay: 100 });
  const now = new Date();
  const input = httpTask({ kind: "every", everyMs: 3_600_000 }, { overlap: "allow" });
  await createTask(store, { namespaceId, input, now });
  await runOnce(namespaceId);
  await measure();
  const due = new Date(now.getTime() + 3_600_000);
  const { runs, skipped } = await stageOccurrences(store, due, due, 10, { daily: await openLimits() });
  assert.deepEqual([runs, skipped.map(({ reason }) => reason)], [[], ["limit"]]);
});
