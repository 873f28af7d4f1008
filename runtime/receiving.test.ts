import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createHearing } from "../core/queue/hearing.ts";
import type { QueueTransport } from "../core/queue/transport.ts";
import { createRunEnds } from "../core/run-ends/run-ends.ts";
import { newId } from "../core/store/ids.ts";
import { queueRun } from "../core/store/testing/samples.ts";
import { openTestStore, until } from "../core/store/testing/test-store.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createRegistry } from "../core/telemetry/metrics/registry.ts";
import { createWorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createRecording } from "../test/support/recording.ts";
import { createWorkerLease } from "./lease.ts";
import { createReceiving } from "./receiving.ts";
import { createSlots } from "./slots.ts";

const { store, newNamespace, clear } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();
beforeEach(clear);

/** A worker's receiving on the real table, with a broker that never rings; time moves only here. */
function openReceiving({ isInMemory = false } = {}) {
  const clock = createManualClock(new Date());
  const taken = createRecording<string>("taken run");
  const slots = createSlots(10);
  const lease = createWorkerLease(60_000, clock);
  /** A first lease that a crash of the database would lose. */
  if (isInMemory) lease.renewing(false)();
  let renewing = Promise.resolve();
  const hearing = createHearing();
  const transport = {
    name: "kafka",
    consume: async () => ({ hearing, stop: async () => hearing.end() }),
  } as unknown as QueueTransport;
  const receiving = createReceiving(
    {
      receive: "queue",
      eventsWindowMs: 540_000,
      facts: { id: newId(), host: "here", pid: process.pid, slots: 10 },
      store,
      transport,
      clock,
      log: createLogger("worker", "silent"),
      metrics: createWorkerMetrics(createRegistry("worker")),
      ends: createRunEnds([], () => {}),
      lease,
      async renewLease() {
        await renewing;
        lease.renewing()();
      },
    },
    slots,
    async (run) => {
      taken.add(run.id);
      slots.release(1);
      return "recorded";
    },
  );
  const withholdRenewal = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    renewing = promise;
    return resolve;
  };
  return { receiving, hearing, clock, taken, withholdRenewal };
}

const whenTaken = ({ taken }: ReturnType<typeof openReceiving>, runId: string) =>
  taken.waitFor((id) => id === runId);

test("nothing is claimed under a first lease that a crash of the database would lose", async (t) => {
  const worker = openReceiving({ isInMemory: true });
  t.after(() => worker.receiving.stop().claimed);
  const renew = worker.withholdRenewal();
  const runId = await queueRun(store, namespaceId);
  await worker.receiving.begin();
  for (let look = 0; look < 3; look += 1) await worker.clock.advance(100);
  const { rows } = await store.pool.query("SELECT state FROM task_runs_open WHERE id = $1", [runId]);
  assert.deepEqual(rows, [{ state: "queued" }]);
  renew();
  await whenTaken(worker, runId);
});

test("who was told to stop claims nothing once its lease is durable", async () => {
  const worker = openReceiving({ isInMemory: true });
  const renew = worker.withholdRenewal();
  const runId = await queueRun(store, namespaceId);
  await worker.receiving.begin();
  const { claimed } = worker.receiving.stop();
  renew();
  await claimed;
  const { rows } = await store.pool.query("SELECT state FROM task_runs_open WHERE id = $1", [runId]);
  assert.deepEqual(rows, [{ state: "queued" }]);
});

test("a run that is due when the worker begins is claimed at once, before any bell can be heard", async (t) => {
  const runId = await queueRun(store, namespaceId);
  const opened = openReceiving();
  t.after(() => opened.receiving.stop().claimed);
  await opened.receiving.begin();
  await whenTaken(opened, runId);
});

test("until bells are heard the table is looked at every tenth of a second, not only for what is overdue", async () => {
  const opened = openReceiving();
  await opened.receiving.begin();
  await opened.clock.waitForSleepers(1);
  const runId = await queueRun(store, namespaceId);
  await opened.clock.advance(100);
  await whenTaken(opened, runId);
  const { claimed, ended } = opened.receiving.stop();
  await Promise.all([claimed, ended]);
  assert.equal(opened.clock.sleepers, 0, "nothing looks any more");
});

test("a worker that no longer hears its bells looks again as often as at its start, and stops when they are heard", async (t) => {
  const opened = openReceiving();
  const { receiving, hearing, clock } = opened;
  /** Who looks sleeps again after each look; a timer for a run's instant fires once. */
  const whenNobodyLooks = () =>
    until(async () => {
      await clock.advance(1);
      return clock.sleepers === 0 ? true : undefined;
    });
  t.after(() => receiving.stop().claimed);
  await receiving.begin();
  hearing.set(true);
  await whenNobodyLooks();
  hearing.set(false);
  const lost = await queueRun(store, namespaceId);
  await clock.advance(100);
  await whenTaken(opened, lost);
  hearing.set(true);
  await whenNobodyLooks();
});
