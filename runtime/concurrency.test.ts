/** A function's limit of runs at once, over several workers on one database. */
import assert from "node:assert/strict";
import { beforeEach, type TestContext, test } from "node:test";
import { sql } from "kysely";
import { systemClock } from "../core/clock.ts";
import { succeeded } from "../core/domain/attempt.ts";
import { functionKey } from "../core/domain/limit-keys.ts";
import { createPostgresTransport } from "../core/queue/postgres.ts";
import { newId } from "../core/store/ids.ts";
import { grantPermits } from "../core/store/limits/grant-permits.ts";
import { openListener } from "../core/store/listen.ts";
import { createNotifier } from "../core/store/notify.ts";
import { cancelRuns } from "../core/store/runs/cancel.ts";
import { claimRuns } from "../core/store/runs/claim.ts";
import { findRun } from "../core/store/runs/read.ts";
import { rescueLostRuns } from "../core/store/runs/rescue.ts";
import { ANY_TIME, deployFunction, makeWorker, queueInvocation } from "../core/store/testing/samples.ts";
import { openTestStore, until } from "../core/store/testing/test-store.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createRegistry } from "../core/telemetry/metrics/registry.ts";
import { createWorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { NO_SPAN } from "../core/telemetry/tracing.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { createRecording } from "../test/support/recording.ts";
import type { TaskRunner } from "./runners/task-runner.ts";
import { startWorker } from "./worker.ts";

const { store, db, url, newNamespace, clear } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();
const fail = (error: unknown) => assert.fail(error as Error);
beforeEach(clear);

/** A worker on the Postgres transport; every attempt runs `runner`. */
async function openWorker(t: TestContext, runner: TaskRunner, slots = 10) {
  const notifier = createNotifier(store, systemClock, fail);
  const listener = await openListener(url, systemClock, fail);
  const transport = createPostgresTransport(notifier, listener);
  const worker = await startWorker({
    receive: "queue",
    eventsWindowMs: 540_000,
    facts: { id: newId(), host: "here", pid: process.pid, slots },
    ...{ leaseMs: 60_000, drainMs: 5_000, store, transport, notifier, listener },
    findTimeoutMs: async () => 5_000,
    runners: { http: runner, email: runner, function: runner },
    ...{ clock: systemClock, log: createLogger("worker", "silent") },
    metrics: createWorkerMetrics(createRegistry("worker")),
    traceAttempt: () => NO_SPAN,
  });
  t.after(async () => {
    await worker.stop();
    await transport.close();
    await listener.close();
    await notifier.flush();
  });
  return { transport };
}

const queue = async (name: string, count: number) => {
  const runIds: string[] = [];
  for (let index = 0; index < count; index += 1)
    runIds.push(await queueInvocation(store, namespaceId, name, { timeoutMs: 30_000 }));
  return runIds;
};
const bells = (runIds: string[]) => runIds.map((runId) => ({ runId, availableAt: new Date() }));
const inState = (runId: string, state: string) =>
  until(async () => {
    const run = await findRun(store, namespaceId, runId);
    return run?.state === state ? run : undefined;
  });

/** How many runs of the function the table says are running. */
async function countRunning(functionId: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`SELECT count(*)::int AS count FROM task_runs_open
    WHERE function_id = ${functionId} AND state = 'running'`.execute(db);
  return rows[0]!.count;
}

/** Resolves once so many runs wait for a permit. */
const whenWaiting = (count: number) =>
  until(async () => {
    const { rows } = await sql`SELECT FROM task_runs_open WHERE waiting_for = 'concurrency'`.execute(db);
    return rows.length === count ? true : undefined;
  });

test("never more than the limit at once over two workers, in turn, and all of them end", async (t) => {
  const functionId = await deployFunction(db, namespaceId, "three", { concurrency: 3 });
  const highest = { here: 0, table: 0 };
  let running = 0;
  const started: string[] = [];
  const runner: TaskRunner = async ({ id, attempt }) => {
    running += 1;
    started.push(id);
    highest.here = Math.max(highest.here, running);
    highest.table = Math.max(highest.table, await countRunning(functionId));
    running -= 1;
    return succeeded(attempt);
  };
  const { transport } = await openWorker(t, runner);
  await openWorker(t, runner);
  const runIds = await queue("three", 60);
  await transport.ring(bells(runIds));
  for (const runId of runIds) {
    const { result, attempts } = await inState(runId, "succeeded");
    assert.deepEqual([result, attempts.length], [1, 1], "waiting took no attempt");
  }
  assert.ok(highest.table <= 3 && highest.here <= 3, JSON.stringify(highest));
  assert.equal(started.length, 60);
});

test("a permit goes to the next within a moment, and others are not held up", async (t) => {
  await deployFunction(db, namespaceId, "one", { concurrency: 1 });
  await deployFunction(db, namespaceId, "free");
  const started = createRecording<{ runId: string; atMs: number; end(): void }>("run");
  const runner: TaskRunner = (run) =>
    new Promise((resolve) => {
      if (run.spec.type === "function" && run.spec.function === "free") return resolve(succeeded("free"));
      started.add({ runId: run.id, atMs: performance.now(), end: () => resolve(succeeded(null)) });
    });
  const { transport } = await openWorker(t, runner, 2);
  await openWorker(t, runner, 2);
  const waiting = await queue("one", 1);
  await transport.ring(bells(waiting));
  await started.waitFor(() => true);
  waiting.push(...(await queue("one", 4)));
  const free = await queue("free", 5);
  await transport.ring(bells([...waiting, ...free]));
  for (const runId of free) await inState(runId, "succeeded");
  await whenWaiting(4);
  const waits: number[] = [];
  let endedMs = 0;
  for (let count = 1; count <= 5; count += 1) {
    const all = await started.waitFor(() => true, { count });
    assert.equal(all.length, count, "one at a time");
    const { runId, atMs, end } = all[count - 1]!;
    if (count > 1) waits.push(atMs - endedMs);
    assert.equal(runId, waiting[count - 1], "first come, first served");
    end();
    endedMs = performance.now();
  }
  assert.ok(waits.toSorted((a, b) => a - b)[1]! < 2_000, `${waits.map(Math.round)} ms`);
  await inState(waiting[4]!, "succeeded");
});

test("a killed worker's permits are free again once it is rescued", async (t) => {
  const functionId = await deployFunction(db, namespaceId, "kill", { concurrency: 2 });
  const killed = await makeWorker(db);
  const runIds = await queue("kill", 4);
  assert.equal((await claimRuns(store, killed, runIds)).length, 2);
  const { transport } = await openWorker(t, async () => succeeded("later"));
  assert.equal((await findRun(store, namespaceId, runIds[2]!))?.state, "queued");
  await sql`UPDATE workers SET lease_until = now() - interval '1 minute' WHERE id = ${killed}`.execute(db);
  assert.equal((await rescueLostRuns(store, new Date(), ANY_TIME, 10)).length, 2);
  await transport.ring(await grantPermits(store, [functionKey(functionId)]));
  for (const runId of runIds.slice(2)) assert.equal((await inState(runId, "succeeded")).result, "later");
});

test("a run that is cancelled while it waits ends, and the one behind it is next", async (t) => {
  await deployFunction(db, namespaceId, "cancel", { concurrency: 1 });
  const started = createRecording<{ runId: string; end(): void }>("run");
  const runner: TaskRunner = ({ id }) =>
    new Promise((resolve) => started.add({ runId: id, end: () => resolve(succeeded(null)) }));
  const { transport } = await openWorker(t, runner);
  const [first, second, third] = await queue("cancel", 3);
  await transport.ring(bells([first!]));
  const [running] = await started.waitFor(() => true);
  assert.equal(running!.runId, first);
  await whenWaiting(2);
  const { ended } = await cancelRuns(store, namespaceId, { runId: second! });
  assert.equal(ended[0]?.runId, second);
  running!.end();
  const [, next] = await started.waitFor(() => true, { count: 2 });
  assert.equal(next!.runId, third);
  next!.end();
  await inState(third!, "succeeded");
});
