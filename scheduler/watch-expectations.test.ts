import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { QueueAway } from "../core/queue/bounded-sends.ts";
import type { Bell } from "../core/queue/transport.ts";
import { createTask } from "../core/store/tasks/create.ts";
import { httpTask, queueRun } from "../core/store/testing/samples.ts";
import { openTestStore } from "../core/store/testing/test-store.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createRegistry } from "../core/telemetry/metrics/registry.ts";
import { createSchedulerMetrics } from "../core/telemetry/metrics/scheduler.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createUnfiredWatch, watchRuns } from "./watch-expectations.ts";

const { store, newNamespace, clear } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();
const HOUR_MS = 3_600_000;
const LATE = { late: [{ type: "http" as const, url: "https://example.com/late" }] };
beforeEach(clear);

function openContext(now: Date, ring: (bells: Bell[]) => Promise<void> = async () => {}) {
  const rung: Bell[] = [];
  const registry = createRegistry("scheduler");
  const context = {
    ...{ store, time: createManualClock(now), log: createLogger("scheduler", "silent") },
    metrics: createSchedulerMetrics(registry),
    transport: {
      async ring(bells: Bell[]) {
        rung.push(...bells);
        await ring(bells);
      },
    },
  };
  const counted = async (cause: "run" | "unfired") => {
    const { values } = await registry.getSingleMetric("bellhop_expectations_missed_total")!.get();
    return values.find(({ labels }) => labels["cause"] === cause)!.value;
  };
  return { context, rung, counted };
}

test("all runs that are late are told, however many, counted, and their callbacks rung", async () => {
  const count = 201;
  for (let made = 0; made < count; made += 1)
    await queueRun(store, namespaceId, { expect: { withinMs: 1 }, on: LATE });
  const { context, rung, counted } = openContext(new Date(Date.now() + HOUR_MS));
  await watchRuns(context);
  await watchRuns(context);
  assert.deepEqual([await counted("run"), rung.length], [count, count]);
});

test("a queue that is away keeps nobody from telling", async () => {
  await queueRun(store, namespaceId, { expect: { withinMs: 1 }, on: LATE });
  const { context, rung, counted } = openContext(new Date(Date.now() + HOUR_MS), () =>
    Promise.reject(new QueueAway("away")),
  );
  await watchRuns(context);
  assert.deepEqual([await counted("run"), rung.length], [1, 1]);
});

test("tasks that nobody stages are told, counted, and their callbacks rung", async () => {
  const input = httpTask({ kind: "every", everyMs: HOUR_MS }, { expect: { withinMs: 1 }, on: LATE });
  const now = new Date();
  await createTask(store, { namespaceId, input, now: new Date(now.getTime() - 2 * HOUR_MS) });
  const { context, rung, counted } = openContext(now);
  const watch = createUnfiredWatch();
  await watch(context);
  await watch(context);
  assert.deepEqual([await counted("unfired"), rung.length], [1, 1]);
});
