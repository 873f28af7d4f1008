import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createSlots } from "./slots.ts";
import { startWorkerLoops } from "./worker-loops.ts";

test("an idle worker sweeps what is overdue within seconds, however long its lease is", async () => {
  const clock = createManualClock(new Date(0));
  const sweptAt: number[] = [];
  const rows = [{ ownsRuns: false, hasOverdue: true }];
  const loops = startWorkerLoops({
    ...{ facts: { id: "idle" }, leaseMs: 300_000, clock, slots: createSlots(1) },
    store: { pool: { query: async () => ({ rows }) } },
    running: { all: () => [] },
    heartbeat: { keepUp: async () => {}, tellLoad: async () => false },
    receiving: { sweep: () => void sweptAt.push(clock.now().getTime()) },
    metrics: { heartbeatErrors: { inc: assert.fail } },
  } as never);
  await clock.advance(10_000);
  await loops.stop();
  assert.deepEqual(sweptAt, [5_000, 10_000]);
});
