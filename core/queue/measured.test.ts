import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { createConnectionMetrics } from "../telemetry/metrics/connections.ts";
import { createHearing } from "./hearing.ts";
import { measureTransport } from "./measured.ts";
import type { BellHandler, QueueTransport } from "./transport.ts";

function openQueue() {
  let handler: BellHandler | undefined;
  const state = { isBroken: false };
  const hearing = createHearing();
  const refuse = async () => {
    if (state.isBroken) throw new Error("no broker");
  };
  const queue: QueueTransport = {
    ...{ name: "kafka", ring: refuse, publishDeadLetters: refuse, checkReady: refuse, close: refuse },
    async consume(given) {
      handler = given;
      return { hearing, async stop() {} };
    },
  };
  const metrics = createConnectionMetrics();
  const registry = new Registry();
  metrics.register(registry, {
    pool: () => ({ total: 3, idle: 1, waiting: 2, max: 8 }),
    isListening: () => true,
  });
  return { transport: measureTransport(queue, metrics), registry, state, hearing, handler: () => handler! };
}

const bells = [1, 2].map((n) => ({ runId: `run-${n}`, availableAt: new Date() }));

async function shows(registry: Registry, lines: string[]): Promise<void> {
  const text = await registry.metrics();
  for (const line of lines) assert.ok(text.split("\n").includes(line), `no ${line} in\n${text}`);
}

test("bells are counted by lane, both ways, and hints apart", async () => {
  const { transport, registry, handler } = openQueue();
  await transport.ring(bells);
  await transport.ring(bells.slice(1), "long-runs");
  await transport.ring([]);
  await transport.consume({ async onBells() {}, onHint() {} }, "long-runs");
  await handler().onBells(bells);
  handler().onHint();
  await shows(registry, [
    'bellhop_bells_sent_total{lane="runs"} 2',
    'bellhop_bells_sent_total{lane="long-runs"} 1',
    "bellhop_ring_duration_seconds_count 2",
    'bellhop_bells_received_total{lane="long-runs"} 2',
    "bellhop_hints_received_total 1",
  ]);
});

test("whether a lane is heard is told of those that are consumed", async () => {
  const { transport, registry, hearing } = openQueue();
  assert.doesNotMatch(await registry.metrics(), /^bellhop_queue_hearing\{/m);
  await transport.consume({ async onBells() {}, onHint() {} }, "long-runs");
  await shows(registry, ['bellhop_queue_hearing{lane="long-runs"} 0']);
  hearing.set(true);
  await shows(registry, ['bellhop_queue_hearing{lane="long-runs"} 1']);
});

test("what the queue refuses is counted by operation, and still refused", async () => {
  const { transport, registry, state } = openQueue();
  await shows(registry, ['bellhop_queue_errors_total{operation="ring"} 0']);
  state.isBroken = true;
  await assert.rejects(transport.ring(bells), /no broker/);
  await assert.rejects(transport.publishDeadLetters([]), /no broker/);
  await shows(registry, [
    'bellhop_queue_errors_total{operation="ring"} 1',
    'bellhop_queue_errors_total{operation="publish"} 1',
    'bellhop_queue_errors_total{operation="client"} 0',
    "bellhop_ring_duration_seconds_count 1",
  ]);
});

test("the pool tells who is busy, idle and waiting", async () => {
  const { registry } = openQueue();
  await shows(registry, [
    'bellhop_database_connections{state="busy"} 2',
    'bellhop_database_connections{state="idle"} 1',
    "bellhop_database_connections_limit 8",
    "bellhop_database_waiting_requests 2",
    "bellhop_listener_connected 1",
  ]);
});
