/** A backlog on the real table and each real transport: the oldest run starts first, whichever bell rang first. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { systemClock } from "../core/clock.ts";
import { createPostgresTransport } from "../core/queue/postgres.ts";
import { openTestTransport } from "../core/queue/testing/kafka-transport.ts";
import type { Bell, QueueTransport } from "../core/queue/transport.ts";
import { createRunEnds } from "../core/run-ends/run-ends.ts";
import { newId } from "../core/store/ids.ts";
import { openListener } from "../core/store/listen.ts";
import { createNotifier } from "../core/store/notify.ts";
import { queueRun } from "../core/store/testing/samples.ts";
import { openTestStore } from "../core/store/testing/test-store.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createRegistry } from "../core/telemetry/metrics/registry.ts";
import { createWorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { testKafka } from "../test/support/kafka.ts";
import { createRecording } from "../test/support/recording.ts";
import { createWorkerLease } from "./lease.ts";
import { createReceiving } from "./receiving.ts";
import { createSlots } from "./slots.ts";

const { store, url, newNamespace, clear } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();
const kafka = await testKafka();
const COUNT = 30;
const fail = (error: unknown) => assert.fail(error as Error);

describeBacklog("postgres", false, async (t) => {
  const listener = await openListener(url, systemClock, fail);
  t.after(() => listener.close());
  return createPostgresTransport(createNotifier(store, systemClock, fail), listener);
});

describeBacklog("kafka", "skip" in kafka ? kafka.skip : false, async () => {
  assert.ok("brokers" in kafka);
  const topicPrefix = `backlog-${randomBytes(6).toString("hex")}`;
  // One partition: what is rung at once arrives at once, in its order.
  return await openTestTransport({ brokers: [kafka.brokers], topicPrefix, partitions: 1 });
});

function describeBacklog(
  name: string,
  skip: string | false,
  open: (t: TestContext) => Promise<QueueTransport>,
): void {
  describe(`a backlog on ${name}`, { skip }, () => {
    it("is worked off oldest first, although bells come in another order and of some runs none", async (t) => {
      await clear();
      const transport = await open(t);
      const worker = openWorker(transport);
      t.after(async () => {
        // What waits for a slot is let go first: the transport waits for it.
        await worker.stop();
        await transport.close();
      });
      const [first] = await queueRuns([0]);
      await worker.begin();
      await worker.started.waitFor((id) => id === first!.runId);

      const ages = Array.from({ length: COUNT }, (_, index) => 1_000 * (index + 1));
      const runs = await queueRuns(ages.toSorted(shuffled));
      const rung = runs.filter((_, index) => index % 5 > 0);
      await transport.ring(rung);
      // Where bells name runs they wait for the slot by now; a hint is remembered.
      if (name === "kafka") await worker.heard.waitFor(() => true, { count: rung.length });
      for (let count = 0; count <= COUNT; count += 1) {
        await worker.started.waitFor(() => true, { count: count + 1 });
        worker.endRun();
      }
      const oldestFirst = runs.toSorted((a, b) => a.availableAt.getTime() - b.availableAt.getTime());
      assert.deepEqual(
        worker.started.items,
        [first!, ...oldestFirst].map(({ runId }) => runId),
      );
    });
  });
}

/** A worker's receiving with one slot, whose runs end when the test says so. */
function openWorker(transport: QueueTransport) {
  const started = createRecording<string>("started run");
  const heard = createRecording<Bell>("bell");
  const slots = createSlots(1);
  const lease = createWorkerLease(3_600_000, systemClock);
  const renewLease = async () => lease.renewing()();
  const receiving = createReceiving(
    {
      ends: createRunEnds([], () => {}),
      receive: "queue",
      eventsWindowMs: 540_000,
      facts: { id: newId(), host: "here", pid: process.pid, slots: 1 },
      store,
      transport: {
        ...transport,
        consume: (handler, lane) =>
          transport.consume(
            {
              onHint: () => handler.onHint(),
              onBells(bells) {
                for (const bell of bells) heard.add(bell);
                return handler.onBells(bells);
              },
            },
            lane,
          ),
      },
      clock: systemClock,
      log: createLogger("worker", "silent"),
      metrics: createWorkerMetrics(createRegistry("worker")),
      ...{ lease, renewLease },
    },
    slots,
    async (run) => {
      started.add(run.id);
      return "recorded";
    },
  );
  return {
    started,
    heard,
    endRun: () => slots.release(1),
    begin: () => receiving.begin(),
    async stop() {
      const { claimed, ended } = receiving.stop();
      await Promise.all([claimed, ended]);
    },
  };
}

/** Runs that have been due for so long each; their bells. */
async function queueRuns(agesMs: number[]): Promise<Bell[]> {
  const runIds = await Promise.all(agesMs.map(() => queueRun(store, namespaceId)));
  const { rows } = await store.pool.query<Bell>(
    `UPDATE task_runs_open r SET available_at = statement_timestamp() - a.age_ms * interval '1 millisecond'
     FROM unnest($1::uuid[], $2::int[]) AS a(id, age_ms) WHERE r.id = a.id
     RETURNING r.id AS "runId", r.available_at AS "availableAt"`,
    [runIds, agesMs],
  );
  return rows;
}

/** An order that is not by age, and always the same. */
const shuffled = (a: number, b: number) => ((a * 7) % 31_000) - ((b * 7) % 31_000);
