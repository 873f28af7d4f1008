import assert from "node:assert/strict";
import { beforeEach, type TestContext, test } from "node:test";
import { sql } from "kysely";
import { type Clock, systemClock } from "../core/clock.ts";
import { type AttemptOutcome, failed, succeeded } from "../core/domain/attempt.ts";
import { DEFAULT_RETRY } from "../core/domain/retry.ts";
import { createPostgresTransport } from "../core/queue/postgres.ts";
import type { DeadLetter } from "../core/queue/transport.ts";
import { newId } from "../core/store/ids.ts";
import { openListener } from "../core/store/listen.ts";
import { createNotifier } from "../core/store/notify.ts";
import { cancelRuns } from "../core/store/runs/cancel.ts";
import { claimRuns } from "../core/store/runs/claim.ts";
import { enqueueInvocation } from "../core/store/runs/enqueue.ts";
import { findRun } from "../core/store/runs/read.ts";
import { rescueLostRuns } from "../core/store/runs/rescue.ts";
import { deployFunction, queueRun } from "../core/store/testing/samples.ts";
import { openTestStore, until } from "../core/store/testing/test-store.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createRegistry } from "../core/telemetry/metrics/registry.ts";
import { createWorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { NO_SPAN } from "../core/telemetry/tracing.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { createRecording } from "../test/support/recording.ts";
import type { AttemptContext, TaskRunner } from "./tasks/task-runner.ts";
import { runUntilAborted } from "./testing/claimed-run.ts";
import { startWorker, type WorkerParts } from "./worker.ts";

const { store, db, url, newNamespace, clear } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();
const log = createLogger("worker", "silent");
const fail = (error: unknown) => assert.fail(error as Error);
beforeEach(clear);

interface WorkerOptions {
  openLane?: WorkerParts["openLane"];
  slots?: number;
  leaseMs?: number;
  drainMs?: number;
  store?: WorkerParts["store"];
  clock?: Clock;
}

/** A worker on the real database and the Postgres transport; every attempt runs `runner`. */
async function openWorker(t: TestContext, runner: TaskRunner, options: WorkerOptions = {}) {
  const { slots = 10, leaseMs = 60_000, drainMs = 5_000 } = options;
  const id = newId();
  const notifier = createNotifier(store, systemClock, fail);
  const listener = await openListener(url, systemClock, fail);
  const letters = createRecording<DeadLetter>("dead letter");
  const transport = {
    ...createPostgresTransport(notifier, listener),
    async publishDeadLetters(all: DeadLetter[]) {
      for (const letter of all) letters.add(letter);
    },
  };
  const metrics = createWorkerMetrics(createRegistry("worker"));
  const worker = await startWorker({
    facts: { id, host: "here", pid: process.pid, slots },
    ...{
      receive: "queue",
      eventsWindowMs: 540_000,
      leaseMs,
      drainMs,
      store: options.store ?? store,
      transport,
      notifier,
      listener,
    },
    findTimeoutMs: async () => 5_000,
    runners: { http: runner, email: runner, function: runner },
    ...{ clock: options.clock ?? systemClock, log, metrics, traceAttempt: () => NO_SPAN },
    ...(options.openLane ? { openLane: options.openLane } : {}),
  });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= worker.stop().finally(async () => {
      await transport.close();
      await listener.close();
      await notifier.flush();
    });
    return stopped;
  };
  t.after(stop);
  return { id, stop, retire: () => worker.retire(), transport, notifier, letters, metrics };
}

const ring = ({ transport }: Awaited<ReturnType<typeof openWorker>>, ...runIds: string[]) =>
  transport.ring(runIds.map((runId) => ({ runId, availableAt: new Date() })));

/** A runner whose attempts end when the test says so. */
function heldRunner() {
  const started = createRecording<{ runId: string; attempt: number; context: AttemptContext }>("attempt");
  const ends = new Map<string, (outcome: AttemptOutcome) => void>();
  const runner: TaskRunner = ({ id, attempt }, context) =>
    new Promise((resolve) => {
      ends.set(id, resolve);
      started.add({ runId: id, attempt, context });
    });
  return {
    runner,
    started: started.items,
    whenStarted: (count: number) => started.waitFor(() => true, { count }),
    end: (runId: string, outcome: AttemptOutcome = succeeded(null)) => ends.get(runId)?.(outcome),
  };
}

/** The run once it is in this state. */
const inState = (runId: string, state: string) =>
  until(async () => {
    const run = await findRun(store, namespaceId, runId);
    return run?.state === state ? run : undefined;
  });
const workerRow = async (id: string) =>
  (
    await sql<{ leaseUntil: Date; draining: boolean }>`
    SELECT lease_until AS "leaseUntil", draining FROM workers WHERE id = ${id}`.execute(db)
  ).rows[0];

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
  const last = await queueRun(store, namespaceId, { retry: { ...DEFAULT_RETRY, maxAttempts: 1 } });
  await ring(worker, retried, last);
  const waiting = await inState(retried, "scheduled");
  assert.equal(waiting.attempt, 2);
  assert.ok(waiting.availableAt > new Date());
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
  const { asked } = await cancelRuns(db, namespaceId, { runId });
  assert.deepEqual(asked, [runId]);
  worker.notifier.notify("bellhop_cancel", asked);
  await inState(runId, "cancelled");
  assert.equal((await findRun(store, namespaceId, other))?.state, "running");
  await cancelRuns(db, namespaceId, { runId: other });
  worker.notifier.notify("bellhop_cancel", [other]);
  await inState(other, "cancelled");
});

test("a cancel whose bell was lost is found by the heartbeat", async (t) => {
  const worker = await openWorker(t, runUntilAborted, { leaseMs: 600 });
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await inState(runId, "running");
  await cancelRuns(db, namespaceId, { runId });
  await inState(runId, "cancelled");
});

test("the lease is there before the first run, is renewed, and goes with the worker", async (t) => {
  const worker = await openWorker(t, async () => succeeded(null), { leaseMs: 600 });
  const first = await workerRow(worker.id);
  assert.equal(first?.draining, false);
  await until(async () => ((await workerRow(worker.id))!.leaseUntil > first.leaseUntil ? true : undefined));
  await worker.stop();
  assert.equal(await workerRow(worker.id), undefined);
});

test("a draining worker takes nothing more and finishes what ends within the grace", async (t) => {
  const held = heldRunner();
  let asleep = 0;
  const clock: Clock = {
    now: systemClock.now,
    after(ms, act) {
      const open = new Set([act]);
      asleep += 1;
      const close = () => {
        if (open.delete(act)) asleep -= 1;
      };
      const cancel = systemClock.after(ms, () => {
        close();
        act();
      });
      return () => {
        close();
        cancel();
      };
    },
    async sleep(ms, signal) {
      asleep += 1;
      await systemClock.sleep(ms, signal);
      asleep -= 1;
    },
  };
  const worker = await openWorker(t, held.runner, { drainMs: 60_000, clock });
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await held.whenStarted(1);
  const stopping = worker.stop();
  await until(async () => ((await workerRow(worker.id))?.draining ? true : undefined));
  const later = await queueRun(store, namespaceId);
  held.end(runId, succeeded("in time"));
  await stopping;
  assert.deepEqual((await findRun(store, namespaceId, runId))?.result, "in time");
  assert.equal((await findRun(store, namespaceId, later))?.state, "queued");
  assert.equal(held.started.length, 1);
  assert.equal(asleep, 0, "nothing waits any more, the grace's timer neither");
});

test("what outlasts the grace is given back: another worker runs it, with the same attempt number", async (t) => {
  const held = heldRunner();
  const first = await openWorker(t, held.runner, { drainMs: 0 });
  const runId = await queueRun(store, namespaceId);
  await ring(first, runId);
  const [before] = await held.whenStarted(1);
  const second = await openWorker(t, async (run) => succeeded({ attempt: run.attempt }));
  await first.stop();
  const run = await inState(runId, "succeeded");
  assert.deepEqual(run.result, { attempt: before!.attempt });
  assert.equal(run.workerId, second.id);
  assert.equal(run.attempts.length, 1);
  assert.equal(before!.context.signal.aborted, true);
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
  await rescueLostRuns(db, new Date(), 1, 10);
  held.end(runId, succeeded("too late"));
  await worker.stop();
  const run = await findRun(store, namespaceId, runId);
  assert.equal(run?.state, "scheduled");
  assert.equal(run.result, null);
  assert.equal((await worker.metrics.dropped.get()).values[0]?.value, 1);
});

test("a run that comes back to the worker that lost it can still be cancelled and given back", async (t) => {
  const attempts = createRecording<{ attempt: number; end(outcome: AttemptOutcome): void }>("attempt");
  const worker = await openWorker(
    t,
    (run, context) =>
      new Promise((end) => {
        attempts.add({ attempt: run.attempt, end });
        if (run.attempt === 2) void runUntilAborted(run, context).then(end);
      }),
    { leaseMs: 3_600_000 },
  );
  const runId = await queueRun(store, namespaceId, { timeoutMs: 3_600_000 });
  await ring(worker, runId);
  const [lost] = await attempts.waitFor(({ attempt }) => attempt === 1);
  await sql`UPDATE workers SET lease_until = now() - interval '1 second'`.execute(db);
  await rescueLostRuns(db, new Date(), 1, 10);
  await sql`UPDATE task_runs_open SET state = 'queued', available_at = now()`.execute(db);
  await ring(worker, runId);
  await attempts.waitFor(({ attempt }) => attempt === 2);
  lost!.end(succeeded("too late"));
  await until(async () => ((await worker.metrics.dropped.get()).values[0]?.value === 1 ? true : undefined));
  await cancelRuns(db, namespaceId, { runId });
  worker.notifier.notify("bellhop_cancel", [runId]);
  assert.equal((await inState(runId, "cancelled")).attempt, 2);
});

test("a worker that cannot give its runs back leaves them to its lease, and stops all the same", async (t) => {
  const broken: WorkerParts["store"] = {
    ...store,
    pool: Object.create(store.pool, {
      query: {
        value: (query: unknown, ...rest: unknown[]) =>
          typeof query === "string" && query.includes("SET state = 'queued'")
            ? Promise.reject(new Error("connection lost"))
            : store.pool.query(query as string, ...(rest as [unknown[]])),
      },
    }) as WorkerParts["store"]["pool"],
  };
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { drainMs: 0, store: broken });
  const runId = await queueRun(store, namespaceId);
  await ring(worker, runId);
  await held.whenStarted(1);
  await worker.stop();
  assert.equal((await findRun(store, namespaceId, runId))?.state, "running");
  assert.equal(held.started[0]?.context.signal.aborted, true);
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
  await openWorker(t, async () => succeeded(null), { store: watched, openLane: () => events.push("open") });
  assert.deepEqual(events.slice(0, 2), ["open", "a word to the database"]);
});

test("a worker that retires says so, takes nothing more, and waits for what it has, however long its drain", async (t) => {
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { drainMs: 0 });
  const [long, next] = [await queueRun(store, namespaceId), await queueRun(store, namespaceId)];
  await ring(worker, long);
  await held.whenStarted(2);
  held.end(next);
  await inState(next, "succeeded");
  let isRetired = false;
  const retired = worker.retire().then(() => {
    isRetired = true;
  });
  await until(async () => (await workerRow(worker.id))?.draining || undefined);
  const late = await queueRun(store, namespaceId);
  await ring(worker, late);
  assert.equal(isRetired, false);
  held.end(long);
  await retired;
  await worker.stop();
  assert.equal((await inState(long, "succeeded")).attempt, 1);
  await inState(late, "queued");
});
