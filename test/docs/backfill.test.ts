/** Each row of docs/schedules.md of how a backfilled run differs from one of the schedule, on a real PostgreSQL. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../../core/config/function-caps.ts";
import { readSettings } from "../../core/config/settings.ts";
import type { BackfillOverlap } from "../../core/domain/backfill.ts";
import { BACKFILL } from "../../core/domain/bulk.ts";
import { jitterOffsetMs } from "../../core/domain/schedule/jitter.ts";
import type { Schedule } from "../../core/domain/schedule/schedule.ts";
import { findInstants } from "../../core/store/bulk/backfill.ts";
import { createBulk } from "../../core/store/bulk/bulk-actions.ts";
import { driveBulkBatch } from "../../core/store/bulk/drive.ts";
import { newId } from "../../core/store/ids.ts";
import { listRuns } from "../../core/store/runs/read.ts";
import { settleHeldRuns } from "../../core/store/runs/settle-held.ts";
import { stageOccurrences } from "../../core/store/runs/stage.ts";
import { createTask } from "../../core/store/tasks/create.ts";
import { pauseTask } from "../../core/store/tasks/pause-resume.ts";
import { claim, type GivenTask, httpTask, makeWorker } from "../../core/store/testing/samples.ts";
import { openTestStore } from "../../core/store/testing/test-store.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import { createTestDatabase } from "../support/database.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { readRows, toCode } from "./schedule-tables.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);
const functionCaps = toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {}));
const MADE = new Date("2026-03-28T00:30:00Z");
const HOURLY: Schedule = { kind: "cron", expression: "0 * * * *", timezone: "UTC" };
const at = (hour: number) => new Date(`2026-03-28T${String(hour).padStart(2, "0")}:00:00Z`);

/** A task, made at half past midnight, with a scheduler that passes and backfills that are driven. */
async function openTask(schedule: Schedule = HOURLY, given: GivenTask = {}) {
  const namespaceId = await newNamespace();
  const input = httpTask(schedule, { overlap: "allow", ...given });
  const taskId = (await createTask(store, { namespaceId, input, now: MADE })).task.id;
  const runs = async () => (await listRuns(store, namespaceId, {}, { limit: 100, order: "asc" })).rows;
  return {
    namespaceId,
    taskId,
    runs,
    of: async (trigger: string) => (await runs()).filter((run) => run.trigger === trigger),
    async stage(now: Date) {
      await stageOccurrences(store, now, now, 10);
      await settleHeldRuns(store, now, 10);
    },
    async backfill(from: Date, to: Date, overlap: BackfillOverlap = "allow") {
      // Those of the rows before have their turns, and their rests.
      await store.pool.query("DELETE FROM bulk_actions");
      const range = { from, to };
      const { instants } = (await findInstants(store, namespaceId, taskId, range, 100))!;
      const [fromText, toText] = [from.toISOString(), to.toISOString()];
      const backfill = { taskId, from: fromText, to: toText, overlap, max: 100, instants };
      const facts = { id: newId(), namespaceId, action: BACKFILL, resource: "tasks" } as const;
      await inTransaction(store.pool, (tx) =>
        createBulk(tx, { ...facts, filter: { taskId }, traceparent: undefined, backfill }),
      );
      await driveBulkBatch(store, { clock: createManualClock(MADE), functionCaps });
    },
  };
}

const instantsOf = (runs: { scheduledFor: Date }[]) => runs.map(({ scheduledFor }) => scheduledFor);
const HOURS = [1, 2, 3, 4];

/** What a row says of the schedule, and of a backfill, by its first cell. */
const HELD: Record<string, { says: [string, string]; holds(): Promise<void> }> = {
  trigger: {
    says: ["schedule", "backfill"],
    async holds() {
      const task = await openTask();
      await task.stage(at(1));
      await task.backfill(at(2), at(3));
      assert.deepEqual(
        (await task.runs()).map(({ trigger }) => trigger),
        ["schedule", "backfill"],
      );
    },
  },
  "an instant that has a run": {
    says: ["gets no other", "gets another"],
    async holds() {
      const task = await openTask();
      await task.stage(at(1));
      await task.stage(at(1));
      assert.deepEqual(instantsOf(await task.of("schedule")), [at(1)]);
      await task.backfill(at(1), at(2));
      assert.deepEqual(instantsOf(await task.runs()), [at(1), at(1)]);
    },
  },
  "excluded instants, times where the clocks change": {
    says: ["as above", "as above"],
    async holds() {
      const excluding = await openTask({ ...HOURLY, exclude: { cron: "0 3 * * *" } } as Schedule);
      for (const hour of HOURS) await excluding.stage(at(hour));
      await excluding.backfill(at(1), at(5));
      const [fired, filled] = [await excluding.of("schedule"), await excluding.of("backfill")];
      const became = fired.filter(({ state }) => state !== "skipped");
      assert.deepEqual(instantsOf(became), [at(1), at(2), at(4)]);
      assert.deepEqual(instantsOf(filled), [at(1), at(2), at(4)]);
      const shifted = await openTask({ kind: "cron", expression: "30 2 * * *", timezone: "Europe/Rome" });
      const [first, second] = [new Date("2026-03-28T01:30:00Z"), new Date("2026-03-29T01:00:00Z")];
      for (const now of [first, second, new Date("2026-03-29T02:00:00Z")]) await shifted.stage(now);
      await shifted.backfill(MADE, new Date("2026-03-30T00:00:00Z"));
      const scheduled = instantsOf(await shifted.of("schedule"));
      assert.deepEqual(scheduled.length, 2);
      assert.deepEqual(instantsOf(await shifted.of("backfill")), scheduled);
    },
  },
  "startAt, endAt": {
    says: ["hold", "hold"],
    async holds() {
      const span = { startAt: at(2).toISOString(), endAt: at(4).toISOString() };
      const task = await openTask({ ...HOURLY, ...span } as Schedule);
      for (const hour of [...HOURS, 5]) await task.stage(at(hour));
      await task.backfill(at(0), at(6));
      const scheduled = instantsOf(await task.of("schedule"));
      assert.deepEqual(scheduled[0], at(2));
      assert.ok(scheduled.length < HOURS.length);
      assert.deepEqual(instantsOf(await task.of("backfill")), scheduled);
    },
  },
  maxRuns: {
    says: ["counts it", "does not"],
    async holds() {
      const task = await openTask({ ...HOURLY, maxRuns: 1 } as Schedule);
      await task.backfill(at(1), at(4));
      assert.equal((await task.of("backfill")).length, 3);
      for (const hour of HOURS) await task.stage(at(hour));
      assert.deepEqual(instantsOf(await task.of("schedule")), [at(1)]);
    },
  },
  "an earlier run of the task is open": {
    says: ["the task's overlap", "the backfill's own: allow or wait"],
    async holds() {
      const task = await openTask(HOURLY, { overlap: "skip" });
      await task.stage(at(1));
      await task.stage(at(2));
      assert.deepEqual(
        (await task.of("schedule")).map(({ state }) => state),
        ["queued", "skipped"],
      );
      await task.backfill(at(0), at(3), "allow");
      assert.equal((await task.of("backfill")).length, 3);
      const waiting = await openTask(HOURLY, { overlap: "skip" });
      await waiting.backfill(at(0), at(3), "wait");
      assert.equal((await waiting.of("backfill")).length, 1);
    },
  },
  "counts as an earlier run for the schedule's": {
    says: ["yes", "no"],
    async holds() {
      const task = await openTask(HOURLY, { overlap: "skip" });
      await task.backfill(at(0), at(1));
      for (const hour of [1, 2]) await task.stage(at(hour));
      assert.deepEqual(
        (await task.of("schedule")).map(({ state }) => state),
        ["queued", "skipped"],
      );
    },
  },
  jitter: {
    says: ["its offset later", "at once"],
    async holds() {
      const schedule = { ...HOURLY, jitterMs: 600_000 } as Schedule;
      const task = await openTask(schedule);
      const offsetMs = jitterOffsetMs(schedule, task.taskId);
      const effectiveAt = new Date(at(1).getTime() + offsetMs);
      await task.stage(effectiveAt);
      const [scheduled] = await task.of("schedule");
      assert.deepEqual([scheduled!.scheduledFor, scheduled!.availableAt], [at(1), effectiveAt]);
      await task.backfill(at(1), at(2));
      const [filled] = await task.of("backfill");
      const { rows } = await store.pool.query(
        "SELECT available_at <= now() AS due FROM task_runs WHERE id = $1",
        [filled!.id],
      );
      assert.deepEqual([filled!.scheduledFor, rows[0].due], [at(1), true]);
    },
  },
  "ttl, deadline": {
    says: ["from the instant", "from when the run was made"],
    async holds() {
      const task = await openTask(HOURLY, { ttlMs: 3_600_000 });
      const worker = await makeWorker(db);
      const begun = new Date();
      await task.stage(at(1));
      await task.backfill(at(1), at(2));
      const [scheduled, filled] = await Promise.all(
        ["schedule", "backfill"].map(async (trigger) => (await task.of(trigger))[0]!),
      );
      assert.deepEqual(
        (await claim(store, worker, scheduled!.id)).limitsFrom ?? scheduled!.scheduledFor,
        at(1),
      );
      const { limitsFrom } = await claim(store, worker, filled!.id);
      assert.ok(limitsFrom!.getTime() >= begun.getTime() - 1_000);
    },
  },
  "the task is paused": {
    says: ["none", "made"],
    async holds() {
      const task = await openTask();
      await pauseTask(store, task.namespaceId, task.taskId, MADE);
      await task.stage(at(1));
      await task.backfill(at(1), at(2));
      assert.deepEqual(
        (await task.runs()).map(({ trigger }) => trigger),
        ["backfill"],
      );
    },
  },
};

const rows = readRows("of the schedule", "of a backfill").map((row) =>
  row.map((cell) => cell.replaceAll("`", "")),
);

for (const [what, ...says] of rows)
  test(`${what}: ${says[0]} of the schedule, ${says[1]} of a backfill`, async () => {
    const held = HELD[what!];
    assert.ok(held, "a row that nobody holds");
    assert.deepEqual(says, held.says);
    await held.holds();
  });

test("every row that is held stands in docs/schedules.md", () => {
  assert.deepEqual(Object.keys(HELD).toSorted(), rows.map(([what]) => toCode(what!)).toSorted());
});
