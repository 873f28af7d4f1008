/** The receiver in front of a real worker, on real Postgres and Kafka. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeEach, describe, it, type TestContext } from "node:test";
import { sql } from "kysely";
import { type Clock, systemClock } from "../../core/clock.ts";
import { type AttemptOutcome, failed, succeeded } from "../../core/domain/attempt.ts";
import type { Lane } from "../../core/domain/lane.ts";
import { openTestTransport } from "../../core/queue/testing/kafka-transport.ts";
import type { Bell } from "../../core/queue/transport.ts";
import { newId } from "../../core/store/ids.ts";
import { openListener } from "../../core/store/listen.ts";
import { createNotifier } from "../../core/store/notify.ts";
import { findRun } from "../../core/store/runs/read.ts";
import { deployFunction, queueInvocation, queueRun } from "../../core/store/testing/samples.ts";
import { openTestStore, until } from "../../core/store/testing/test-store.ts";
import { createLogger } from "../../core/telemetry/log.ts";
import { createRegistry } from "../../core/telemetry/metrics/registry.ts";
import { createWorkerMetrics } from "../../core/telemetry/metrics/worker.ts";
import { NO_SPAN } from "../../core/telemetry/tracing.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { testKafka } from "../../test/support/kafka.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createRecording } from "../../test/support/recording.ts";
import type { TaskRunner } from "../runners/task-runner.ts";
import { runUntilAborted } from "../testing/claimed-run.ts";
import { startWorker, type WorkerParts } from "../worker.ts";
import { createEventReceiver } from "./event-receiver.ts";

const kafka = await testKafka();
const { store, db, url, newNamespace, clear } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();
const fail = (error: unknown) => assert.fail(error as Error);
const WINDOW_MS = 60_000;

/** The store, where `watch` sees the name of each statement, and refuses it by throwing. */
function watchedStore(watch: (statement: string) => void): WorkerParts["store"] {
  const watched = (pool: typeof store.pool): typeof store.pool => {
    const query = async (given: { name?: string }, ...rest: unknown[]) => {
      watch(given.name ?? "");
      return await (pool.query as (...all: unknown[]) => unknown).call(pool, given, ...rest);
    };
    return Object.create(pool, { query: { value: query } });
  };
  return { ...store, pool: watched(store.pool), plannedPool: watched(store.plannedPool) };
}

describe("a worker that receives events", { skip: "skip" in kafka ? kafka.skip : false }, () => {
  const brokers = "brokers" in kafka ? [kafka.brokers] : [];
  beforeEach(clear);

  const openQueue = (topicPrefix: string) => openTestTransport({ brokers, topicPrefix, partitions: 1 });

  interface Options {
    slots?: number;
    drainMs?: number;
    store?: WorkerParts["store"];
    clock?: Clock;
  }

  /** Every attempt runs `runner`. */
  async function openWorker(t: TestContext, runner: TaskRunner, options: Options = {}) {
    const topicPrefix = `test-${randomBytes(6).toString("hex")}`;
    const notifier = createNotifier(store, systemClock, fail);
    // A worker that stops at once leaves a LISTEN behind that is never answered.
    const listener = await openListener(url, systemClock, () => {});
    const transport = await openQueue(topicPrefix);
    const worker = await startWorker({
      facts: { id: newId(), host: "here", pid: process.pid, slots: options.slots ?? 5 },
      ...{ receive: "events", eventsWindowMs: WINDOW_MS, leaseMs: 60_000, drainMs: options.drainMs ?? 5_000 },
      ...{ store: options.store ?? store, transport, notifier, listener },
      clock: options.clock ?? systemClock,
      findTimeoutMs: async () => 5_000,
      runners: { http: runner, email: runner, function: runner },
      ...{ log: createLogger("worker", "silent"), metrics: createWorkerMetrics(createRegistry("worker")) },
      traceAttempt: () => NO_SPAN,
    });
    const receiver = createEventReceiver({ take: (bell) => worker.events!.take(bell), onAnswer() {} });
    const server = createServer(receiver).listen(0, "127.0.0.1");
    await once(server, "listening");
    let stopping: Promise<void> | undefined;
    const stop = () => (stopping ??= worker.stop());
    t.after(async () => {
      await stop();
      server.closeAllConnections();
      server.close();
      await Promise.all([transport.close(), listener.close(), notifier.flush()]);
    });
    const { port } = server.address() as AddressInfo;
    return {
      stop,
      topicPrefix,
      send: (runId: string, { inMs = 0, signal }: { inMs?: number; signal?: AbortSignal } = {}) =>
        fetch(`http://127.0.0.1:${port}/`, {
          method: "POST",
          headers: { "content-type": "application/cloudevents+json" },
          body: JSON.stringify({
            ...{ specversion: "1.0", id: newId(), source: "/test", type: "test" },
            data: { runId, availableAt: Date.now() + inMs },
          }),
          ...(signal ? { signal } : {}),
        }),
    };
  }

  const answerOf = async (sending: Promise<Response>) => {
    const response = await sending;
    await response.text();
    return [response.status, response.headers.get("bellhop-event-outcome")];
  };
  const stateOf = async (runId: string) => (await findRun(store, namespaceId, runId))?.state;

  /** Attempts that end when the test says so. */
  function heldRunner() {
    const started = createRecording<string>("attempt");
    const ends = new Map<string, (outcome: AttemptOutcome) => void>();
    const runner: TaskRunner = ({ id }) =>
      new Promise((resolve) => {
        ends.set(id, resolve);
        started.add(id);
      });
    return { runner, started, end: (runId: string) => ends.get(runId)?.(succeeded(null)) };
  }

  /** Bells of a lane, as its workers hear them. */
  async function hear(t: TestContext, topicPrefix: string, lane: Lane) {
    const heard = createRecording<Bell>("bell");
    const queue = await openQueue(topicPrefix);
    t.after(() => queue.close());
    const onBells = async (bells: Bell[]) => bells.forEach(heard.add);
    await queue.consume({ onBells, onHint() {} }, lane);
    return heard;
  }

  it("answers when the run is recorded, and once it is taken or gone at once", async (t) => {
    const held = heldRunner();
    const { send } = await openWorker(t, held.runner);
    const runId = await queueRun(store, namespaceId);
    const sending = answerOf(send(runId));
    await held.started.waitFor((id) => id === runId);
    assert.deepEqual(await answerOf(send(runId)), [204, "not_waiting"]);
    assert.deepEqual(await answerOf(send(newId())), [204, "not_waiting"]);
    held.end(runId);
    assert.deepEqual(await sending, [204, "recorded"]);
    assert.equal(await stateOf(runId), "succeeded");
    assert.deepEqual(await answerOf(send(runId)), [204, "not_waiting"]);
  });

  it("answers for a failed attempt too: its retry rings by itself", async (t) => {
    const { send } = await openWorker(t, async () => failed("http_status", "503", { retryable: true }));
    const runId = await queueRun(store, namespaceId);
    assert.deepEqual(await answerOf(send(runId)), [204, "recorded"]);
    assert.equal(await stateOf(runId), "scheduled");
    assert.deepEqual(await answerOf(send(runId)), [204, "not_waiting"]);
  });

  it("has never more runs than slots; what comes meanwhile is refused and stays queued", async (t) => {
    const held = heldRunner();
    const { send } = await openWorker(t, held.runner, { slots: 3 });
    const runIds = await Promise.all(Array.from({ length: 8 }, () => queueRun(store, namespaceId)));
    const sent = runIds.map((runId) => ({ runId, answer: answerOf(send(runId)) }));
    await held.started.waitFor(() => true, { count: 3 });
    const inWork = new Set(held.started.items);
    const refused = sent.filter(({ runId }) => !inWork.has(runId));
    for (const { runId, answer } of refused) {
      assert.deepEqual(await answer, [429, "full"]);
      assert.equal(await stateOf(runId), "queued");
    }
    for (const runId of inWork) held.end(runId);
    for (const { runId, answer } of sent.filter((each) => inWork.has(each.runId)))
      assert.deepEqual(await answer, [204, "recorded"], runId);
    assert.equal(held.started.items.length, 3);
  });

  it("an early event waits for its run's instant, and starts it no sooner", async (t) => {
    const { send } = await openWorker(t, async () => succeeded(null));
    const runId = await queueRun(store, namespaceId);
    await sql`UPDATE task_runs_open SET available_at = clock_timestamp() + interval '300 milliseconds'`.execute(
      db,
    );
    assert.deepEqual(await answerOf(send(runId)), [204, "recorded"]);
    const run = await findRun(store, namespaceId, runId);
    assert.ok(run!.startedAt! >= run!.availableAt!, "by the database's clock");
    assert.deepEqual(await answerOf(send(await queueRun(store, namespaceId), { inMs: 60_000 })), [
      202,
      "later",
    ]);
  });

  it("a client that goes away leaves a run that is recorded", async (t) => {
    const held = heldRunner();
    const { send } = await openWorker(t, held.runner);
    const runId = await queueRun(store, namespaceId);
    const leaving = new AbortController();
    const sending = send(runId, { signal: leaving.signal });
    await held.started.waitFor((id) => id === runId);
    leaving.abort();
    await assert.rejects(sending);
    held.end(runId);
    await until(async () => ((await stateOf(runId)) === "succeeded" ? true : undefined));
  });

  it("a long run is never claimed: its bell stands in the lane of long runs", async (t) => {
    const { send, topicPrefix } = await openWorker(t, () => assert.fail("it was run"));
    const heard = await hear(t, topicPrefix, "long-runs");
    await deployFunction(db, namespaceId, "slow");
    const runIds = [
      await queueRun(store, namespaceId, { timeoutMs: WINDOW_MS + 1 }),
      await queueInvocation(store, namespaceId, "slow", { timeoutMs: 900_000 }),
    ];
    for (const runId of runIds) {
      assert.deepEqual(await answerOf(send(runId)), [202, "long_run"]);
      await heard.waitFor((bell) => bell.runId === runId);
      const { rows } = await sql<{ state: string; claimNo: number }>`
        SELECT state, claim_no AS "claimNo" FROM task_runs_open WHERE id = ${runId}`.execute(db);
      assert.deepEqual(rows, [{ state: "queued", claimNo: 0 }]);
    }
  });

  it("a run that waits for a permit of its function is answered for; the other one's event goes on", async (t) => {
    const held = heldRunner();
    const { send } = await openWorker(t, held.runner);
    await deployFunction(db, namespaceId, "one-by-one", { concurrency: 1 });
    const [first, second] = [
      await queueInvocation(store, namespaceId, "one-by-one"),
      await queueInvocation(store, namespaceId, "one-by-one"),
    ];
    await sql`UPDATE task_runs_open SET timeout_ms = 30000`.execute(db);
    const sending = answerOf(send(first));
    await held.started.waitFor((id) => id === first);
    assert.deepEqual(await answerOf(send(second)), [204, "not_waiting"]);
    held.end(first);
    assert.deepEqual(await sending, [204, "recorded"]);
  });

  it("a worker that stops gives back what it cannot finish, with a bell, and answers 503", async (t) => {
    const held = heldRunner();
    const worker = await openWorker(
      t,
      (run, context) => {
        void held.runner(run, context);
        return runUntilAborted(run, context);
      },
      { drainMs: 0 },
    );
    const heard = await hear(t, worker.topicPrefix, "runs");
    const runId = await queueRun(store, namespaceId);
    const sending = answerOf(worker.send(runId));
    await held.started.waitFor((id) => id === runId);
    const stopping = worker.stop();
    assert.deepEqual(await sending, [503, "given_back"]);
    assert.deepEqual(await answerOf(worker.send(await queueRun(store, namespaceId))), [503, "draining"]);
    await heard.waitFor((bell) => bell.runId === runId);
    await stopping;
    assert.equal(await stateOf(runId), "queued");
  });

  it("a database that does not answer is a reason to try again", async (t) => {
    const fault = { isOn: true };
    const broken = watchedStore((statement) => {
      if (fault.isOn && statement.startsWith("claim-short")) throw new Error("connection lost");
    });
    const { send } = await openWorker(t, async () => succeeded(null), { store: broken });
    const runId = await queueRun(store, namespaceId);
    assert.deepEqual(await answerOf(send(runId)), [503, "failed"]);
    fault.isOn = false;
    assert.deepEqual(await answerOf(send(runId)), [204, "recorded"]);
  });

  it("leaves alone what nobody sends it: the table and the topics of bells", async (t) => {
    const claims: string[] = [];
    const clock = createManualClock(new Date());
    const watched = watchedStore((statement) => {
      if (statement.startsWith("claim")) claims.push(statement);
    });
    const { send, topicPrefix } = await openWorker(t, async () => succeeded(null), { store: watched, clock });
    const [overdue, sent] = [await queueRun(store, namespaceId), await queueRun(store, namespaceId)];
    await sql`UPDATE task_runs_open SET available_at = clock_timestamp() - interval '1 minute'`.execute(db);
    const ringer = await openQueue(topicPrefix);
    t.after(() => ringer.close());
    await ringer.ring([{ runId: overdue, availableAt: new Date(0) }]);
    // Several sweeps of a worker that has any.
    await clock.advance(30_000);
    assert.deepEqual(await answerOf(send(sent)), [204, "recorded"]);
    assert.deepEqual(claims, ["claim-short-by-id"]);
    assert.equal(await stateOf(overdue), "queued");
  });
});
