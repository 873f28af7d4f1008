/** Workers on a real database and the Postgres transport, for tests of what a worker does. */
import assert from "node:assert/strict";
import { beforeEach, type TestContext } from "node:test";
import { sql } from "kysely";
import { type Clock, systemClock } from "../../core/clock.ts";
import { type AttemptOutcome, succeeded } from "../../core/domain/attempt.ts";
import { createPostgresTransport } from "../../core/queue/postgres.ts";
import type { DeadLetter } from "../../core/queue/transport.ts";
import { newId } from "../../core/store/ids.ts";
import { type Listener, openListener } from "../../core/store/listen.ts";
import { createNotifier } from "../../core/store/notify.ts";
import { findRun } from "../../core/store/runs/read.ts";
import { openTestStore, until } from "../../core/store/testing/test-store.ts";
import { createLogger } from "../../core/telemetry/log.ts";
import { createRegistry } from "../../core/telemetry/metrics/registry.ts";
import { createWorkerMetrics } from "../../core/telemetry/metrics/worker.ts";
import { NO_SPAN } from "../../core/telemetry/tracing.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { createRecording } from "../../test/support/recording.ts";
import type { AttemptContext, TaskRunner } from "../runners/task-runner.ts";
import { startWorker, type WorkerParts } from "../worker.ts";

const { store, db, url, newNamespace, clear } = await openTestStore(createTestDatabase);

export { db, store, url };
export const namespaceId = await newNamespace();
const log = createLogger("worker", "silent");
export const fail = (error: unknown) => assert.fail(error as Error);
beforeEach(clear);

interface WorkerOptions {
  serveDirect?: WorkerParts["serveDirect"];
  callers?: WorkerParts["callers"];
  mayWork?: WorkerParts["mayWork"];
  slots?: number;
  inputRoomBytes?: number;
  leaseMs?: number;
  drainMs?: number;
  store?: WorkerParts["store"];
  clock?: Clock;
  /** Its bells; default: those of the database. */
  listener?: Listener;
}

/** A worker on the real database and the Postgres transport; every attempt runs `runner`. */
export async function openWorker(t: TestContext, runner: TaskRunner, options: WorkerOptions = {}) {
  const { slots = 10, leaseMs = 60_000, drainMs = 5_000 } = options;
  const id = newId();
  const notifier = createNotifier(store, systemClock, fail);
  const listener = options.listener ?? (await openListener(url, systemClock, fail));
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
    ...(options.inputRoomBytes === undefined ? {} : { inputRoomBytes: options.inputRoomBytes }),
    findTimeoutMs: async () => 5_000,
    runners: { http: runner, email: runner, function: runner },
    ...{ clock: options.clock ?? systemClock, log, metrics, traceAttempt: () => NO_SPAN },
    callers: options.callers,
    ...(options.mayWork ? { mayWork: options.mayWork } : {}),
    ...(options.serveDirect ? { serveDirect: options.serveDirect } : {}),
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

export const ring = ({ transport }: Awaited<ReturnType<typeof openWorker>>, ...runIds: string[]) =>
  transport.ring(runIds.map((runId) => ({ runId, availableAt: new Date() })));

/** A runner whose attempts end when the test says so. */
export function heldRunner() {
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

/** Keeps the run's row, so that it cannot be recorded, until the test says so, or ends. */
export async function lockRun(t: TestContext, runId: string) {
  const blocker = await store.pool.connect();
  let isLocked = true;
  const unlock = async () => {
    if (!isLocked) return;
    isLocked = false;
    try {
      await blocker.query("ROLLBACK");
    } finally {
      blocker.release();
    }
  };
  t.after(unlock);
  await blocker.query("BEGIN");
  await blocker.query("SELECT FROM task_runs_open WHERE id = $1 FOR UPDATE", [runId]);
  return { unlock };
}

/** The run once it is in this state. */
export const inState = (runId: string, state: string) =>
  until(async () => {
    const run = await findRun(store, namespaceId, runId);
    return run?.state === state ? run : undefined;
  });
export const workerRow = async (id: string) =>
  (
    await sql<{ leaseUntil: Date; draining: boolean }>`
    SELECT lease_until AS "leaseUntil", draining FROM workers WHERE id = ${id}`.execute(db)
  ).rows[0];
