import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { Callbacks } from "../../domain/callbacks.ts";
import { FIRST_EVENT } from "../../domain/event-position.ts";
import { readEvents } from "../events/read.ts";
import { listRuns } from "../runs/read.ts";
import { stageOccurrences } from "../runs/stage.ts";
import { createTask } from "../tasks/create.ts";
import { cancelTask } from "../tasks/end.ts";
import { pauseTask } from "../tasks/pause-resume.ts";
import { type GivenTask, httpTask } from "../testing/samples.ts";
import { openTestStore, untilEventsSettled } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { findUnfired, type OverduePlace } from "./unfired.ts";
import { watchExpectations } from "./watch.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const HOUR_MS = 3_600_000;
const LATE: Callbacks = { late: [{ type: "http", url: "https://example.com/late" }] };
const fromNow = (ms: number) => new Date(Date.now() + ms);

let namespaceId: string;
beforeEach(async () => {
  await clear();
  await sql`DELETE FROM expectations`.execute(db);
  namespaceId = await newNamespace();
});

/** It should have fired, once, 48 minutes ago. */
async function makeTask(given: GivenTask = {}, madeMsAgo = 1.8 * HOUR_MS) {
  const input = httpTask(
    { kind: "every", everyMs: HOUR_MS },
    { expect: { withinMs: HOUR_MS / 2 }, ...given },
  );
  return (await createTask(store, { namespaceId, input, now: fromNow(-madeMsAgo) })).task;
}

async function listTold() {
  await untilEventsSettled(store);
  const { events } = await readEvents(store, namespaceId, FIRST_EVENT, 1_000);
  return events.filter(({ type }) => /late|overran/.test(type));
}

const find = (now = new Date(), limit = 100, after?: OverduePlace) => findUnfired(store, now, limit, after);

test("a task that nobody stages is told of once when it had to succeed, whoever looks", async () => {
  const task = await makeTask({ on: LATE, name: "nightly" });
  const firedAt = task.nextRunAt!;
  assert.equal((await find(new Date(firedAt.getTime() + HOUR_MS / 2 - 1))).unfired, 0);
  const passes = await Promise.all([find(), find(), find()]);
  assert.equal(
    passes.reduce((sum, { unfired }) => sum + unfired, 0),
    1,
  );
  assert.equal((await find(fromNow(5 * HOUR_MS))).unfired, 0);
  const [told, ...more] = await listTold();
  assert.deepEqual([told!.type, told!.taskId, told!.runId, more], ["task.late", task.id, null, []]);
  assert.deepEqual(new Date(told!.data["scheduledFor"] as string), firedAt);
  const [called] = passes.flatMap((pass) => pass.called);
  // biome-ignore lint/suspicious/noExplicitAny: what is sent is looked at field by field
  const { rows } = await sql<{ input: any; callback_of: string | null }>`
    SELECT input, callback_of FROM task_runs_open WHERE id = ${called!.runId}`.execute(db);
  assert.deepEqual([rows[0]!.input.body.type, rows[0]!.callback_of], ["bellhop.task.late", null]);
  assert.deepEqual(rows[0]!.input.body.data, {
    ...{ taskId: task.id, name: "nightly", scheduledFor: firedAt.toISOString() },
    dueAt: new Date(firedAt.getTime() + HOUR_MS / 2).toISOString(),
  });
});

test("its run, once there is one, is late and is not told of again", async () => {
  await makeTask({ on: LATE });
  await find();
  const { runs } = await stageOccurrences(store, new Date(), new Date(), 10);
  assert.equal(runs.length, 1);
  assert.deepEqual(await watchExpectations(store, new Date(), 10), {
    ...{ hasMore: false, missed: 0, overran: 0, called: [] },
  });
  const { rows } = await listRuns(store, namespaceId, { trigger: "schedule" }, { limit: 10 });
  assert.deepEqual(
    rows.map(({ id, expectation }) => [id, expectation]),
    [[runs[0]!.runId, "missed"]],
  );
  assert.deepEqual(
    (await listTold()).map(({ type }) => type),
    ["task.late"],
  );
  assert.equal((await watchExpectations(store, fromNow(HOUR_MS), 10)).missed, 0);
});

test("of several instants that were missed, one is told, and the run that makes up for them may be in time", async () => {
  await makeTask({}, 2.2 * HOUR_MS);
  await find();
  await stageOccurrences(store, new Date(), new Date(), 10);
  assert.equal((await watchExpectations(store, new Date(), 10)).missed, 0);
  const { rows } = await listRuns(store, namespaceId, { trigger: "schedule" }, { limit: 10 });
  assert.deepEqual(
    rows.map(({ state, skipped, expectation }) => [state, skipped?.count, expectation]).sort(),
    [
      ["queued", undefined, null],
      ["skipped", 1, "missed"],
    ],
  );
});

test("tasks that are paused, cancelled, not overdue, being staged, or that expect nothing are not told of", async () => {
  const paused = await makeTask();
  await pauseTask(store, namespaceId, paused.id, new Date());
  const cancelled = await makeTask();
  await cancelTask(store, namespaceId, cancelled.id, new Date());
  await makeTask({ expect: null });
  const soon = httpTask({ kind: "delay", delayMs: 5_000 }, { expect: { withinMs: 1 } });
  await createTask(store, { namespaceId, input: soon, now: fromNow(-10_000) });
  assert.equal((await find()).unfired, 0);
  const staged = await makeTask();
  await inTransaction(store.pool, async (tx) => {
    await tx.pool.query("SELECT FROM tasks WHERE id = $1 FOR UPDATE", [staged.id]);
    assert.equal((await find()).unfired, 0);
  });
  assert.equal((await find()).unfired, 1);
});

test("a pass goes on where the last one stopped, past any number of tasks of one instant", async () => {
  const now = new Date();
  for (const expect of [null, null, { withinMs: 1 }, null, { withinMs: 1 }]) {
    const input = httpTask({ kind: "every", everyMs: HOUR_MS }, { expect });
    await createTask(store, { namespaceId, input, now: new Date(now.getTime() - 2 * HOUR_MS) });
  }
  let place: OverduePlace | undefined;
  let unfired = 0;
  let passes = 0;
  do {
    const report = await find(now, 2, place);
    place = report.place;
    unfired += report.unfired;
    passes += 1;
  } while (place);
  assert.deepEqual([unfired, passes], [2, 3]);
});
