import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { Overlap } from "../../domain/overlap.ts";
import type { RunState } from "../../domain/run-state.ts";
import { createTask } from "../tasks/create.ts";
import { seekInstants } from "../tasks/seek-instants.ts";
import {
  claim,
  finished,
  type GivenTask,
  httpTask,
  makeWorker,
  retryAfter,
  SAMPLE_ERROR,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { claimDueRuns, claimRuns } from "./claim.ts";
import { enqueueTaskRun } from "./enqueue.ts";
import { finishAttempts } from "./finish.ts";
import { findNextInstants } from "./next-instants.ts";
import { findRun, listRuns } from "./read.ts";
import { settleHeldRuns } from "./settle-held.ts";
import { stageOccurrences } from "./stage.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const T0 = Date.parse("2026-03-02T10:00:00.000Z");
const at = (seconds: number) => new Date(T0 + seconds * 1_000);
beforeEach(clear);

async function makeTask(
  given: GivenTask,
): Promise<{ namespaceId: string; taskId: string; workerId: string }> {
  const namespaceId = await newNamespace();
  const input = httpTask({ kind: "every", everyMs: 10_000 }, given);
  const { task } = await createTask(store, { namespaceId, input, now: at(0) });
  return { namespaceId, taskId: task.id, workerId: await makeWorker(db) };
}

/** A second before the instant, as the scheduler does; the ids of what may be rung. */
const stage = async (seconds: number) =>
  (await stageOccurrences(store, at(seconds - 1), at(seconds), 100)).runs.map(({ runId }) => runId);

/** As often as there is more. */
async function settle(seconds: number): Promise<Settled> {
  const settled = await settleHeldRuns(store, at(seconds), 100);
  const { started, skipped, cancelled } = settled.more ? await settle(seconds) : EMPTY;
  return {
    started: [...settled.started.map(({ runId }) => runId), ...started],
    skipped: [...settled.skipped, ...skipped],
    cancelled: {
      ended: [...settled.cancelled.ended.map(({ runId }) => runId), ...cancelled.ended],
      asked: [...settled.cancelled.asked, ...cancelled.asked],
    },
  };
}
interface Settled {
  started: string[];
  skipped: unknown[];
  cancelled: { ended: string[]; asked: string[] };
}
const EMPTY: Settled = { started: [], skipped: [], cancelled: { ended: [], asked: [] } };

/** Instants in seconds and states, oldest first. */
async function states(namespaceId: string): Promise<[number, RunState][]> {
  const { rows } = await listRuns(store, namespaceId, {}, { limit: 100, order: "asc" });
  return rows
    .map(({ scheduledFor, state }): [number, RunState] => [(scheduledFor.getTime() - T0) / 1_000, state])
    .sort(([one], [other]) => one - other);
}

async function finish(workerId: string, runId: string, verdict?: Parameters<typeof finished>[2]) {
  const run = await claim(store, workerId, runId);
  await finishAttempts(store, workerId, [
    finished(run, workerId, verdict ?? { state: "succeeded", result: null }),
  ]);
}

test("nothing is held while no earlier run is open", async () => {
  const { namespaceId, workerId } = await makeTask({ overlap: "skip" });
  const [first] = await stage(10);
  await finish(workerId, first!);
  assert.equal((await stage(20)).length, 1);
  assert.deepEqual(await states(namespaceId), [
    [10, "succeeded"],
    [20, "queued"],
  ]);
});

for (const previous of ["queued", "running", "scheduled"] as const) {
  test(`an earlier run that is ${previous} is open: the next one is skipped at its instant, not before`, async () => {
    const { namespaceId, taskId, workerId } = await makeTask({ overlap: "skip" });
    const [first] = await stage(10);
    if (previous === "running") await claim(store, workerId, first!);
    if (previous === "scheduled") await finish(workerId, first!, retryAfter(3_600_000));
    assert.deepEqual(await stage(20), []);
    assert.deepEqual((await findNextInstants(store)).held, at(20));
    assert.deepEqual(await settle(19.9), EMPTY);
    const skipped = {
      reason: "overlap",
      count: 1,
      firstAt: at(20).toISOString(),
      lastAt: at(20).toISOString(),
    };
    assert.deepEqual(await settle(20), { ...EMPTY, skipped: [skipped] });
    assert.deepEqual(await states(namespaceId), [
      [10, previous],
      [20, "skipped"],
    ]);
    const { rows } = await listRuns(store, namespaceId, { state: ["skipped"], taskId }, { limit: 10 });
    assert.deepEqual(rows[0]?.skipped, skipped);
    assert.deepEqual(await settle(20), EMPTY);
  });
}

test("a held run that nobody decided about cannot be claimed, and starts once the earlier one has ended in time", async () => {
  const { namespaceId, workerId } = await makeTask({ overlap: "skip" });
  const [first] = await stage(10);
  await stage(20);
  const held = (await listRuns(store, namespaceId, { state: ["queued"] }, { limit: 10 })).rows.find(
    ({ id }) => id !== first,
  )!;
  assert.deepEqual(await claimRuns(store, workerId, [held.id]), []);
  const claimed = await claimDueRuns(store, workerId, 10, 0);
  assert.deepEqual(
    claimed.runs.map(({ id }) => id),
    [first],
  );
  const [run] = claimed.runs;
  await finishAttempts(store, workerId, [finished(run!, workerId, { state: "succeeded", result: null })]);
  assert.deepEqual((await settle(20)).started, [held.id]);
  await finish(workerId, held.id);
});

test("dead letters, and runs that somebody asked for, hold nobody up", async () => {
  const { namespaceId, taskId, workerId } = await makeTask({ overlap: "skip" });
  const [first] = await stage(10);
  await finish(workerId, first!, { state: "dead", error: SAMPLE_ERROR });
  await enqueueTaskRun(store, namespaceId, taskId);
  assert.equal((await stage(20)).length, 1);
});

test("runs of a task that allows it overlap; so do those of a task that knows nothing of overlaps", async () => {
  const allows = await makeTask({ overlap: "allow" });
  await stage(10);
  assert.equal((await stage(20)).length, 1);
  assert.deepEqual(await states(allows.namespaceId), [
    [10, "queued"],
    [20, "queued"],
  ]);
  await clear();
  const { taskId } = await makeTask({});
  await store.pool.query("UPDATE tasks SET policy = policy - 'overlap' WHERE id = $1", [taskId]);
  await stage(10);
  assert.equal((await stage(20)).length, 1);
});

test("one waits for its turn, the next is skipped, and the end of the first lets it start", async () => {
  const { namespaceId, workerId } = await makeTask({ overlap: "wait" });
  const [first] = await stage(10);
  await stage(20);
  assert.deepEqual(await settle(20), EMPTY);
  assert.equal((await findNextInstants(store)).hasWaiting, true);
  await stage(30);
  assert.equal((await settle(30)).skipped.length, 1);
  assert.deepEqual(await states(namespaceId), [
    [10, "queued"],
    [20, "queued"],
    [30, "skipped"],
  ]);
  await finish(workerId, first!);
  const { started } = await settle(31);
  assert.equal(started.length, 1);
  assert.equal((await findNextInstants(store)).hasWaiting, false);
  await finish(workerId, started[0]!);
  assert.equal((await stage(40)).length, 1);
});

test("what takes the place of others ends those that wait, asks the one that runs, and starts when it has stopped", async () => {
  const { namespaceId, workerId } = await makeTask({ overlap: "cancel-previous" });
  const [first] = await stage(10);
  const run = await claim(store, workerId, first!);
  await stage(20);
  const asked = await settle(20);
  assert.deepEqual(asked, { ...EMPTY, cancelled: { ended: [], asked: [first] } });
  assert.deepEqual((await settle(21)).cancelled.asked, [], "asked once");
  await stage(30);
  const second = await settle(30);
  assert.equal(second.cancelled.ended.length, 1, "the one that waited");
  await finishAttempts(store, workerId, [finished(run, workerId, { state: "cancelled" })]);
  const { started } = await settle(31);
  assert.equal(started.length, 1);
  assert.deepEqual(await states(namespaceId), [
    [10, "cancelled"],
    [20, "cancelled"],
    [30, "queued"],
  ]);
  await stage(40);
  const replaced = await settle(40);
  assert.deepEqual([replaced.cancelled.ended, replaced.started.length], [started, 1], "nothing ran");
});

const RULES: Overlap[] = ["skip", "wait", "cancel-previous"];
for (const overlap of RULES) {
  test(`with schedulers side by side no two runs of a task are open at once: ${overlap}`, async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => makeTask({ overlap })));
    const workerId = made[0]!.workerId;
    for (let seconds = 10; seconds <= 60; seconds += 10) {
      await Promise.all([1, 2, 3].map(() => stage(seconds)));
      const passes = await Promise.all([1, 2, 3].map(() => settle(seconds)));
      await settle(seconds);
      const { runs } = await claimDueRuns(store, workerId, 100, 0);
      const { rows } = await store.pool.query<{ open: number }>(
        `SELECT count(*)::int AS open FROM task_runs_open WHERE state IN ('running', 'queued') AND waiting_for IS NULL
         GROUP BY task_id HAVING count(*) > 1`,
      );
      assert.deepEqual(rows, [], `at ${seconds} s, ${passes.length} passes`);
      const ending = runs.filter((_, index) => index % 2 === 0);
      const verdict = { state: "succeeded", result: null } as const;
      await finishAttempts(
        store,
        workerId,
        ending.map((run) => finished(run, workerId, verdict)),
      );
      await store.pool.query("UPDATE task_runs_open SET cancel_requested_at = NULL");
    }
    const { rows } = await store.pool.query<{ runs: number; instants: number }>(
      `SELECT count(*)::int AS runs, count(DISTINCT scheduled_for)::int AS instants FROM task_runs GROUP BY task_id`,
    );
    for (const counts of rows) assert.deepEqual(counts, { runs: 6, instants: 6 }, "each instant is one run");
  });
}

test("what was missed and is caught up with runs one after another, though its task lets runs overlap", async () => {
  const catchUp = { policy: "all", windowMs: null, max: 3 } as const;
  const { namespaceId, workerId } = await makeTask({ overlap: "allow", catchUp });
  const { runs, skipped } = await stageOccurrences(store, at(65), at(66), 100);
  assert.deepEqual(runs, [], "each waits for its turn");
  assert.deepEqual(
    skipped.map(({ reason, count }) => [reason, count]),
    [["missed", 3]],
  );
  for (const seconds of [40, 50, 60]) {
    const { started } = await settle(66);
    assert.equal(started.length, 1, `at ${seconds} s`);
    assert.deepEqual(await settle(66), EMPTY);
    await finish(workerId, started[0]!);
  }
  assert.deepEqual(await states(namespaceId), [
    [10, "skipped"],
    [40, "succeeded"],
    [50, "succeeded"],
    [60, "succeeded"],
  ]);
});

test("a run that is staged ahead of its instant does not keep those waiting that are caught up with", async () => {
  const catchUp = { policy: "all", windowMs: null, max: 3 } as const;
  const input = httpTask({ kind: "every", everyMs: 60_000 }, { overlap: "allow", catchUp });
  const now = new Date();
  const madeAt = new Date(now.getTime() - 150_000);
  const { task } = await createTask(store, { namespaceId: await newNamespace(), input, now: madeAt });
  const inMinutes = (minutes: number) => new Date(madeAt.getTime() + minutes * 60_000);
  await stageOccurrences(store, now, now, 100);
  const { runs: ahead } = await stageOccurrences(store, now, inMinutes(3), 100);
  assert.deepEqual(
    ahead.map(({ availableAt }) => availableAt),
    [inMinutes(3)],
  );
  const { started } = await settleHeldRuns(store, now, 100);
  const first = await findRun(store, task.namespaceId, started[0]!.runId);
  assert.deepEqual([started.length, first?.scheduledFor], [1, inMinutes(1)]);
});

test("nothing is caught up with where its task says so", async () => {
  const catchUp = { policy: "none", windowMs: null, max: 100 } as const;
  const { namespaceId } = await makeTask({ catchUp });
  const missed = await stageOccurrences(store, at(1_009), at(1_009), 100);
  assert.deepEqual([missed.runs.length, missed.taskCount], [1, 1], "9 s late is in time");
  await clear();
  const other = await makeTask({ catchUp });
  await store.pool.query(`UPDATE tasks SET schedule = '{"kind":"every","everyMs":100000}' WHERE id = $1`, [
    other.taskId,
  ]);
  assert.deepEqual((await stageOccurrences(store, at(150), at(151), 100)).runs, []);
  assert.deepEqual(await states(other.namespaceId), [[10, "skipped"]]);
  assert.deepEqual(await states(namespaceId), []);
});

test("a run that is skipped is none of those that the task may have", async () => {
  const namespaceId = await newNamespace();
  const schedule = { kind: "every", everyMs: 10_000, maxRuns: 2 } as const;
  const { task } = await createTask(store, { namespaceId, input: httpTask(schedule, {}), now: at(0) });
  await stage(10);
  await stage(20);
  assert.equal((await settle(20)).skipped.length, 1);
  const { rows } = await store.pool.query("SELECT state, runs_left FROM tasks WHERE id = $1", [task.id]);
  assert.deepEqual(rows, [{ state: "active", runs_left: 1 }]);
  await seekInstants(store, at(21), 10);
  const { rows: found } = await store.pool.query("SELECT next_run_at FROM tasks WHERE id = $1", [task.id]);
  assert.deepEqual(found, [{ next_run_at: at(30) }]);
});

test("a place that a skipped run gives back is none of an instant that is staged already", async () => {
  const namespaceId = await newNamespace();
  const schedule = { kind: "every", everyMs: 1_000, maxRuns: 3 } as const;
  await createTask(store, { namespaceId, input: httpTask(schedule, {}), now: at(0) });
  await stage(1);
  await stage(2);
  // A second ahead, as ever, while the instant before has come.
  await stage(3);
  assert.equal((await settle(2)).skipped.length, 1);
  await seekInstants(store, at(2), 10);
  await stage(3);
  await stage(4);
  assert.deepEqual(await states(namespaceId), [
    [1, "queued"],
    [2, "skipped"],
    [3, "queued"],
    [4, "queued"],
  ]);
});

for (const given of [{}, { maxRuns: 2 }]) {
  test(`a single instant that all makes up for waits for its turn, ${JSON.stringify(given)}`, async () => {
    const namespaceId = await newNamespace();
    const catchUp = { policy: "all", windowMs: null, max: 2 } as const;
    const schedule = { kind: "every", everyMs: 20_000, ...given } as const;
    const input = httpTask(schedule, { overlap: "skip", catchUp });
    await createTask(store, { namespaceId, input, now: at(0) });
    await stage(20);
    // Of two that were missed, where it may have no more than one.
    await stage("maxRuns" in given ? 62 : 52);
    await settle(62);
    const told = await states(namespaceId);
    assert.deepEqual(told.slice(0, 2), [
      [20, "queued"],
      [40, "queued"],
    ]);
    const { rows } = await store.pool.query(
      "SELECT waiting_for FROM task_runs_open WHERE scheduled_for = $1",
      [at(40)],
    );
    assert.deepEqual(rows, [{ waiting_for: "overlap" }]);
  });
}
