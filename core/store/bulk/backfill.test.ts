import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../../config/function-caps.ts";
import { readSettings } from "../../config/settings.ts";
import type { BackfillOverlap } from "../../domain/backfill.ts";
import { BACKFILL } from "../../domain/bulk.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { putCalendar } from "../calendars/change.ts";
import { newId } from "../ids.ts";
import { cancelRuns } from "../runs/cancel.ts";
import { expireRuns } from "../runs/expire.ts";
import { finishAttempts } from "../runs/finish.ts";
import { listRuns } from "../runs/read.ts";
import { stageOccurrences } from "../runs/stage.ts";
import { createTask } from "../tasks/create.ts";
import { cancelTask } from "../tasks/end.ts";
import { findTask } from "../tasks/read.ts";
import { claim, finished, type GivenTask, httpTask, makeWorker } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { findInstants } from "./backfill.ts";
import { abortBulk, createBulk, findBulk } from "./bulk-actions.ts";
import { driveBulkBatch } from "./drive.ts";
import type { Driven } from "./taken.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const functionCaps = toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {}));
const now = new Date("2026-03-10T12:00:00Z");
const options = { clock: createManualClock(now), functionCaps };
const HOURLY: Schedule = { kind: "cron", expression: "0 * * * *", timezone: "UTC" };

describe("backfills", () => {
  let namespaceId: string;

  beforeEach(async () => {
    await clear();
    await store.pool.query("DELETE FROM bulk_actions");
    namespaceId = await newNamespace();
  });

  const makeTask = async (schedule: Schedule = HOURLY, given: GivenTask = {}) =>
    (await createTask(store, { namespaceId, input: httpTask(schedule, given), now })).task.id;

  async function ask(taskId: string, from: string, to: string, overlap: BackfillOverlap): Promise<string> {
    const range = { from: new Date(from), to: new Date(to) };
    const found = await findInstants(store, namespaceId, taskId, range, 10_000);
    const backfill = { taskId, from, to, overlap, max: 10_000, instants: found!.instants };
    const facts = { id: newId(), namespaceId, action: BACKFILL, resource: "tasks" } as const;
    const asked = { ...facts, filter: { taskId }, traceparent: undefined, backfill };
    return (await inTransaction(store.pool, (tx) => createBulk(tx, asked))).id;
  }

  /** A batch, without the rest before it. */
  async function drive(on = store): Promise<Driven> {
    await store.pool.query("UPDATE bulk_actions SET next_batch_at = now() WHERE state = 'running'");
    return await driveBulkBatch(on, options);
  }

  const runsOf = async () => {
    const { rows } = await listRuns(store, namespaceId, {}, { limit: 2_000, order: "asc" });
    return rows;
  };

  const instantsOf = async () => (await runsOf()).map(({ scheduledFor }) => scheduledFor.toISOString());

  const told = async (id: string) => {
    const { state, done, failed, instants } = (await findBulk(store, namespaceId, id))!;
    return [state, done, failed, instants];
  };

  it("each instant from the first on to before the last gets a run, oldest first, due at once", async () => {
    const taskId = await makeTask({ ...HOURLY, exclude: { cron: "0 2 * * *" } } as Schedule);
    const id = await ask(taskId, "2026-03-09T00:00:00Z", "2026-03-09T04:00:00Z", "allow");
    assert.deepEqual(await told(id), ["running", 0, 0, 3]);
    const driven = await drive();
    assert.ok(driven.kind === "batch");
    assert.equal(driven.batch.staged.length, 3);
    assert.deepEqual(await told(id), ["succeeded", 3, 0, 3]);
    const hours = ["00", "01", "03"].map((hour) => `2026-03-09T${hour}:00:00.000Z`);
    assert.deepEqual(await instantsOf(), hours);
    const worker = await makeWorker(db);
    for (const run of await runsOf()) {
      assert.deepEqual([run.state, run.trigger, run.taskId], ["queued", "backfill", taskId]);
      assert.equal((await claim(store, worker, run.id)).id, run.id);
    }
  });

  it("makes no run in a queue that is gone, and says which", async () => {
    const taskId = await makeTask(HOURLY, { queue: "gone" });
    const range = { from: new Date("2026-03-09T00:00:00Z"), to: new Date("2026-03-09T04:00:00Z") };
    assert.equal((await findInstants(store, namespaceId, taskId, range, 10))?.missingQueue, "gone");
    await ask(taskId, "2026-03-09T00:00:00Z", "2026-03-09T04:00:00Z", "allow");
    await drive();
    assert.deepEqual(await runsOf(), []);
    const kept = await makeTask();
    assert.equal((await findInstants(store, namespaceId, kept, range, 10))?.missingQueue, null);
  });

  it("the days of its task's calendar have no run", async () => {
    await putCalendar(store, namespaceId, "days", ["2026-03-09"], () => now);
    const taskId = await makeTask({ ...HOURLY, exclude: { calendar: "days" } } as Schedule);
    await ask(taskId, "2026-03-08T22:00:00Z", "2026-03-10T01:00:00Z", "allow");
    await drive();
    const hours = ["08T22", "08T23", "10T00"].map((hour) => `2026-03-${hour}:00:00.000Z`);
    assert.deepEqual(await instantsOf(), hours);
  });

  it("its ttl counts from when the run was made", async () => {
    const taskId = await makeTask(HOURLY, { ttlMs: 60_000 });
    await ask(taskId, "2026-03-09T00:00:00Z", "2026-03-09T01:00:00Z", "allow");
    await drive();
    const [run] = await runsOf();
    assert.deepEqual((await expireRuns(store, 100)).ended, []);
    const claimed = await claim(store, await makeWorker(db), run!.id);
    assert.ok(claimed.limitsFrom! > claimed.scheduledFor && claimed.limitsFrom! <= claimed.startedAt);
  });

  it("it counts for nothing of the schedule: its cursor, maxRuns, and the overlap of its own runs", async () => {
    const schedule: Schedule = { ...HOURLY, maxRuns: 1 } as Schedule;
    const taskId = await makeTask(schedule, { overlap: "skip" });
    await ask(taskId, "2026-03-09T00:00:00Z", "2026-03-09T05:00:00Z", "allow");
    await drive();
    const nextRunAt = new Date("2026-03-10T13:00:00Z");
    assert.deepEqual((await findTask(store, namespaceId, taskId))!.nextRunAt, nextRunAt);
    const { runs } = await stageOccurrences(store, nextRunAt, nextRunAt, 10);
    assert.equal(runs.length, 1, "the runs of the backfill are open, and hold nothing back");
  });

  it("one after another: the next when the one before has ended, however it did", async () => {
    const taskId = await makeTask();
    const id = await ask(taskId, "2026-03-09T00:00:00Z", "2026-03-09T03:00:00Z", "wait");
    const worker = await makeWorker(db);
    assert.equal((await drive()).kind, "batch");
    assert.equal((await drive()).kind, "resting");
    assert.equal((await runsOf()).length, 1);
    const [first] = await runsOf();
    const claimed = await claim(store, worker, first!.id);
    assert.equal((await drive()).kind, "resting");
    await finishAttempts(store, worker, [finished(claimed, worker, { state: "succeeded", result: null })]);
    assert.equal((await drive()).kind, "batch");
    const second = (await runsOf()).at(-1)!;
    await inTransaction(store.pool, (tx) => cancelRuns(tx, namespaceId, { runIds: [second.id] }));
    assert.equal((await drive()).kind, "batch");
    assert.deepEqual(await told(id), ["succeeded", 3, 0, 3]);
    assert.equal((await runsOf()).length, 3);
  });

  it("one that waits for a run keeps no other action from its turn", async () => {
    await ask(await makeTask(), "2026-03-09T00:00:00Z", "2026-03-09T03:00:00Z", "wait");
    await drive();
    await drive();
    await store.pool.query("UPDATE bulk_actions SET next_batch_at = now() + interval '1 hour' WHERE waits");
    const other = await ask(await makeTask(), "2026-03-09T00:00:00Z", "2026-03-09T03:00:00Z", "allow");
    assert.equal((await driveBulkBatch(store, options)).kind, "batch");
    assert.deepEqual(await told(other), ["succeeded", 3, 0, 3]);
  });

  it("what is aborted makes no more, and leaves what it made", async () => {
    const id = await ask(await makeTask(), "2026-03-09T00:00:00Z", "2026-03-09T03:00:00Z", "wait");
    await drive();
    const aborted = await abortBulk(store, namespaceId, id);
    assert.deepEqual([aborted!.state, aborted!.done], ["aborted", 1]);
    assert.equal((await drive()).kind, "idle");
    assert.deepEqual(
      (await runsOf()).map(({ state }) => state),
      ["queued"],
    );
  });

  it("a crash in a batch leaves none of it, and the next goes on where the counts say", async () => {
    const everyMinute: Schedule = { kind: "cron", expression: "* * * * *", timezone: "UTC" };
    const id = await ask(
      await makeTask(everyMinute),
      "2026-03-09T00:00:00Z",
      "2026-03-09T12:00:00Z",
      "allow",
    );
    await drive();
    assert.deepEqual(await told(id), ["running", 500, 0, 720]);
    await store.pool.query(
      "CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'crash'; END $$",
    );
    await store.pool.query(
      "CREATE TRIGGER crash BEFORE UPDATE OF done ON bulk_actions FOR EACH ROW WHEN (NEW.done > OLD.done) EXECUTE FUNCTION crash()",
    );
    await assert.rejects(drive(), /crash/);
    await store.pool.query("DROP FUNCTION crash CASCADE");
    assert.equal((await runsOf()).length, 500);
    await drive();
    assert.deepEqual(await told(id), ["succeeded", 720, 0, 720]);
    const instants = await instantsOf();
    assert.deepEqual([instants.length, new Set(instants).size], [720, 720]);
    assert.deepEqual(instants, instants.toSorted());
  });

  it("a task that is cancelled meanwhile ends it, and the answer says so", async () => {
    const taskId = await makeTask();
    const id = await ask(taskId, "2026-03-09T00:00:00Z", "2026-03-09T03:00:00Z", "wait");
    await drive();
    await cancelTask(store, namespaceId, taskId, now);
    await drive();
    assert.deepEqual(await told(id), ["failed", 1, 0, 3]);
    assert.equal((await findBulk(store, namespaceId, id))!.error?.code, "task_cancelled");
  });

  it("what fires once has one instant, and tasks of another namespace have none", async () => {
    const taskId = await makeTask({ kind: "once", at: "2026-03-10T12:30:00Z" });
    const range = (from: string, to: string) => ({ from: new Date(from), to: new Date(to) });
    const find = async (from: string, to: string, of = namespaceId) =>
      (await findInstants(store, of, taskId, range(from, to), 10))?.instants;
    assert.deepEqual(await find("2026-03-10T12:30:00Z", "2026-03-10T12:31:00Z"), [
      new Date("2026-03-10T12:30:00Z"),
    ]);
    assert.deepEqual(await find("2026-03-10T12:00:00Z", "2026-03-10T12:30:00Z"), []);
    assert.equal(await find("2026-03-10T12:00:00Z", "2026-03-10T13:00:00Z", await newNamespace()), undefined);
  });
});
