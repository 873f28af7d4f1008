/**
 * Scale from zero: no worker process stands, a run is published, and the autoscaler starts a worker for it. All
 * instants are the database's own.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { lastRunId, type TaskBody, waitForRuns } from "./scenarios.ts";
import { type Spread, spreadOf } from "./stats.ts";
import type { BenchSystem } from "./system.ts";

export interface FromZeroFigures {
  /** From the spawn of a worker's process to its word that it works. */
  processStartMs: Spread;
  /** From the run's row to its start, and to its end. */
  byType: Record<string, { startedMs: Spread; finishedMs: Spread }>;
  /** A run whose instant is known: how late it starts. Its worker is woken ahead. */
  knownAheadLatenessMs: Spread;
}

/** Until the bundle is made and V8's code of it is kept. */
const WARM_UPS = 4;
const KNOWN_AHEAD_MS = 3_000;

export async function measureFromZero(
  system: BenchSystem,
  bodies: Record<string, TaskBody>,
  count: number,
): Promise<FromZeroFigures> {
  const startsMs: number[] = [];
  await system.stopWorker();
  const autoscaler = await system.startAutoscaler(({ startMs }) => {
    if (typeof startMs === "number") startsMs.push(startMs);
  });
  const publish = async (body: TaskBody) => {
    await untilNobodyWorks(autoscaler.port);
    const after = await lastRunId(system);
    await system.call("POST", "/v1/tasks", body);
    const [times] = await waitForRuns(system, after, 1);
    return times!;
  };
  try {
    const [anyBody] = Object.values(bodies);
    for (let index = 0; index < WARM_UPS; index += 1) await publish(anyBody!);
    startsMs.length = 0;
    const byType: FromZeroFigures["byType"] = {};
    for (const [type, body] of Object.entries(bodies)) {
      const all = [];
      for (let index = 0; index < count; index += 1) all.push(await publish(body));
      byType[type] = {
        startedMs: spreadOf(all.map(({ startedMs, queuedMs }) => startedMs - queuedMs)),
        finishedMs: spreadOf(all.map(({ finishedMs, queuedMs }) => finishedMs - queuedMs)),
      };
    }
    const processStartMs = spreadOf(startsMs);
    const latenessMs: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const at = new Date(Date.now() + KNOWN_AHEAD_MS).toISOString();
      const { startedMs, scheduledMs } = await publish({ ...anyBody, schedule: { at } });
      latenessMs.push(startedMs - scheduledMs);
    }
    return { processStartMs, byType, knownAheadLatenessMs: spreadOf(latenessMs) };
  } finally {
    await autoscaler.stop();
    await system.startWorker();
  }
}

/** No process of a worker is left, not even one that ends. */
async function untilNobodyWorks(autoscalerPort: number): Promise<void> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${autoscalerPort}/targets`);
    if (((await response.json()) as unknown[]).length === 0) return;
    await sleep(20);
  }
}
