import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { systemClock } from "../core/clock.ts";
import { DEFAULT_POLICY } from "../core/contracts/task-policy.ts";
import { failed, succeeded } from "../core/domain/attempt.ts";
import { newId } from "../core/store/ids.ts";
import { openListener } from "../core/store/listen.ts";
import { pollBells } from "../core/store/poll-bells.ts";
import { cancelRuns } from "../core/store/runs/cancel.ts";
import { claimRuns } from "../core/store/runs/claim.ts";
import { enqueueInvocation } from "../core/store/runs/enqueue.ts";
import { findRun } from "../core/store/runs/read.ts";
import { rescueLostRuns } from "../core/store/runs/rescue.ts";
import { ANY_TIME, deployFunction, queueRun } from "../core/store/testing/samples.ts";
import { until } from "../core/store/testing/test-store.ts";
import { createRecording } from "../test/support/recording.ts";
import { runUntilAborted } from "./testing/claimed-run.ts";
import {
  db,
  fail,
  heldRunner,
  inState,
  lockRun,
  namespaceId,
  openWorker,
  ring,
  store,
  url,
  workerRow,
} from "./testing/open-worker.ts";
import type { WorkerParts } from "./worker.ts";

test("runs are claimed, run and recorded, with their logs", async (t) => {
  const worker = await openWorker(t, async (run, { log }) => {
    log("info", "at work", { url: run.spec.type === "http" ? run.spec.url : null });
    return succeeded({ status: 200 });
  });
  const runIds = await Promise.all(Array.from({ length: 25 }, () => queueRun(store, namespaceId)));
  await ring(worker, ...runIds);
  for (const runId of runIds) {
    const run = await inState(runId, "succeeded");
    assert.deepEqual(run.result, { status: 200 });
    assert.equal(run.workerId, worker.id);
    assert.equal(run.attempts.length, 1);
  }
  const { rows } = await sql<{ runId: string; message: string }>`
    SELECT run_id AS "runId", message FROM task_logs`.execute(db);
  assert.deepEqual(rows.map(({ runId }) => runId).sort(), runIds.toSorted());
  assert.ok(rows.every(({ message }) => message === "at work"));
});

test("runs queued before the worker came are found", async (t) => {
  const runId = await queueRun(store, namespaceId);
  await openWorker(t, async () => succeeded(null));
  await inState(runId, "succeeded");
});

test("a failure waits for its retry and the scheduler is told; the last one is published as dead", async (t) => {
  const notified = createRecording<string>("bell");
  const listener = await openListener(url, systemClock, fail);
  t.after(() => listener.close());
  listener.on("bellhop_schedule", () => notified.add("schedule"));
  const worker = await openWorker(t, async () => failed("http_status", "503", { retryable: true }));
  const retried = await queueRun(store, namespaceId);
  const last = await queueRun(store, namespaceId, { retry: { ...DEFAULT_POLICY.retry, maxAttempts: 1 } });
  await ring(worker, retried, last);
  const waiting = await inState(retried, "scheduled");
  assert.equal(waiting.attempt, 2);
  assert.ok(waiting.availableAt > new Date(waiting.attempts[0]!.finishedAt!));
  await notified.waitFor(() => true);
  const dead = await inState(last, "dead");
  const [letter] = await worker.letters.waitFor(() => true);
  assert.equal(letter?.runId, last);
  assert.equal(letter.taskId, dead.taskId);
  assert.deepEqual(letter.error, { code: "http_status", message: "503" });
});

test("the end of a run that somebody waits for is announced", async (t) => {
  const listener = await openListener(url, systemClock, fail);
  t.after(() => listener.close());
  const announced = createRecording<string>("announcement");
  listener.on("bellhop_finished", ({ ids }) => {
    for (const id of ids) announced.add(id);
  });
  const worker = await openWorker(t, async () => succeeded("hi"));
  await deployFunction(db, namespaceId, "greet");
  const [awaited, other] = [newId(), newId()];
  for (const runId of [other, awaited]) {
    const target = { namespaceId, functionName: "greet", input: null, timeoutMs: 5_000 };
    await enqueueInvocation(store, { ...target, runId, awaited: runId === awaited });
  }
  await ring(worker, awaited, other);
  await announced.waitFor((id) => id === awaited);
  await inState(other, "succeeded");
  assert.deepEqual(announced.items, [awaited]);
});

test("never works on more runs than it has slots, and comes to all", async (t) => {
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { slots: 3 });
  const runIds = await Promise.all(Array.from({ length: 12 }, () => queueRun(store, namespaceId)));
  await ring(worker, ...runIds);
  for (let ended = 0; ended < 12; ended += 1) {
    await held.whenStarted(Math.min(ended + 3, 12));
    const { rows } = await sql<{ count: number }>`
      SELECT count(*)::int AS count FROM task_runs_open WHERE state = 'running'`.execute(db);
    assert.ok(rows[0]!.count <= 3, `${rows[0]!.count} are running`);
    const { runId } = held.started[ended]!;
    held.end(runId);
    await inState(runId, "succeeded");
  }
});

test("the next run begins while the one before is being recorded", async (t) => {
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { slots: 1 });
  const runIds = [await queueRun(store, namespaceId), await queueRun(store, namespaceId)];
  await ring(worker, ...runIds);
  const [first] = await held.whenStarted(1);
  const locked = await lockRun(t, first!.runId);
  held.end(first!.runId);
  const [, second] = await held.whenStarted(2);
  assert.equal((await findRun(store, namespaceId, first!.runId))?.state, "running");
  await locked.unlock();
  held.end(second!.runId);
  for (const runId of runIds) await inState(runId, "succeeded");
});

test("a cancel rung by NOTIFY stops the attempt under way", async (t) => {
  const held = heldRunner();
  const worker = await openWorker(
    t,
    async (run, context) => {
      void held.runner(run, context);
      return await runUntilAborted(run, context);
    },
    { leaseMs: 3_600_000 },
  );
  const [runId, other] = [await queueRun(store, namespaceId), await queueRun(store, namespaceId)];
  await ring(worker, runId, other);
  await held.whenStarted(2);
  const { asked } = await cancelRuns(store, namespaceId, { runId });
  assert.deepEqual(asked, [runId]);
  worker.notifier.notify("bellhop_cancel", asked);
  await inState(runId, "cancelled");
  assert.equal((await findRun(store, namespaceId, other))?.state, "running");
  await cancelRuns(store, namespaceId, { runId: other });
  worker.notifier.notify("bellhop_cancel", [other]);
  await inState(other, "cancelled");
});

test("a cancel whose bell was lost is found by the heartbeat", async (t) => {
  const worker = await openWorker(t, runUntilAborted, { leaseMs: 600 });
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await inState(runId, "running");
  await cancelRuns(store, namespaceId, { runId });
  await inState(runId, "cancelled");
});

test("without bells, a worker that is told to look finds due runs and cancels, long before its heartbeat", async (t) => {
  const worker = await openWorker(t, runUntilAborted, {
    leaseMs: 3_600_000,
    listener: pollBells(systemClock),
  });
  const [runId, other] = [await queueRun(store, namespaceId), await queueRun(store, namespaceId)];
  await inState(runId, "running");
  await inState(other, "running");
  await cancelRuns(store, namespaceId, { runId });
  await inState(runId, "cancelled");
  assert.equal((await findRun(store, namespaceId, other))?.state, "running");
  await cancelRuns(store, namespaceId, { runId: other });
  await inState(other, "cancelled");
  await worker.stop();
});

test("the lease is there before the first run, is renewed, and goes with the worker", async (t) => {
  const worker = await openWorker(t, async () => succeeded(null), { leaseMs: 600 });
  const first = await workerRow(worker.id);
  assert.equal(first?.draining, false);
  await until(async () => ((await workerRow(worker.id))!.leaseUntil > first.leaseUntil ? true : undefined));
  await worker.stop();
  assert.equal(await workerRow(worker.id), undefined);
});

test("a run that the table says is ours and nobody here knows is given back after a lease", async (t) => {
  const worker = await openWorker(t, async () => succeeded("found"), { leaseMs: 600 });
  const runId = await queueRun(store, namespaceId);
  await claimRuns(store, worker.id, [runId]);
  const run = await inState(runId, "succeeded");
  assert.deepEqual([run.result, run.attempt, run.attempts.length], ["found", 1, 1]);
});

test("a late result of a run that was taken away is dropped and counted", async (t) => {
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { leaseMs: 3_600_000 });
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await held.whenStarted(1);
  await sql`UPDATE workers SET lease_until = now() - interval '1 second'`.execute(db);
  await rescueLostRuns(store, new Date(), ANY_TIME, 10);
  held.end(runId, succeeded("too late"));
  await worker.stop();
  const run = await findRun(store, namespaceId, runId);
  assert.equal(run?.state, "scheduled");
  assert.equal(run.result, null);
  assert.equal((await worker.metrics.dropped.get()).values[0]?.value, 1);
});

test("calls may come before anybody is told where the worker is", async (t) => {
  const events: string[] = [];
  const watched: WorkerParts["store"] = {
    ...store,
    db: new Proxy(store.db, {
      get(target, key) {
        events.push("a word to the database");
        const value = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
  };
  await openWorker(t, async () => succeeded(null), {
    store: watched,
    serveDirect: () => events.push("open"),
  });
  assert.deepEqual(events.slice(0, 2), ["open", "a word to the database"]);
});
