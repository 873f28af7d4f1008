/**
 * Scale from zero: no worker process stands, a run is published, or a function's URL is called, and the autoscaler starts
 * a worker for it. Instants of runs are the database's own; a call is timed by its caller.
 */
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { TICK_US, ticksByProcess } from "./process-times.ts";
import type { RoleProcess } from "./role-process.ts";
import { lastRunId, type TaskBody, waitForRuns } from "./scenarios.ts";
import { type Spread, spreadOf } from "./stats.ts";
import type { BenchSystem } from "./system.ts";

export interface FromZeroFigures {
  /** From the spawn of a worker's process to its word that it works. */
  processStartMs: Spread;
  /** Of a call of a function's URL: from the request to its first byte. */
  firstByteMs: Spread;
  /** What the autoscaler and the worker take of the processor, from zero to zero again, for one such call. */
  processorMs: Spread;
  /** A Node process that does nothing, for comparison. */
  bareNodeMs: Spread;
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
    const calls = await measureCalls(system, autoscaler, count);
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
      await untilNobodyWorks(autoscaler.port);
      const at = new Date(Date.now() + KNOWN_AHEAD_MS).toISOString();
      const { startedMs, scheduledMs } = await publish({ ...anyBody, schedule: { at } });
      latenessMs.push(startedMs - scheduledMs);
    }
    return { processStartMs, ...calls, byType, knownAheadLatenessMs: spreadOf(latenessMs) };
  } finally {
    await autoscaler.stop();
    await system.startWorker();
  }
}

/** A stream that goes on for a second: its first byte comes as soon as the function gives it. */
const STREAMING = `export default { fetch() {
  const bytes = new TextEncoder().encode("chunk");
  return new Response(new ReadableStream({
    start(controller) { controller.enqueue(bytes); setTimeout(() => controller.close(), 1_000); },
  }));
} };`;

async function measureCalls(system: BenchSystem, autoscaler: RoleProcess, count: number) {
  await system.call("PUT", "/v1/functions/streaming", { source: STREAMING, public: true });
  const [firstBytesMs, processorsMs]: [number[], number[]] = [[], []];
  await callFromZero(system, autoscaler);
  for (let index = 0; index < count; index += 1) {
    const { firstByteMs, processorMs } = await callFromZero(system, autoscaler);
    firstBytesMs.push(firstByteMs);
    processorsMs.push(processorMs);
  }
  const bareNodesMs = Array.from({ length: count }, () => {
    const beganMs = performance.now();
    spawnSync(process.execPath, ["-e", ""]);
    return performance.now() - beganMs;
  });
  return {
    firstByteMs: spreadOf(firstBytesMs),
    processorMs: spreadOf(processorsMs),
    bareNodeMs: spreadOf(bareNodesMs),
  };
}

/** What ended the worker before is over by then: nobody's call from zero meets that. */
const REST_MS = 200;

async function callFromZero({ origin }: BenchSystem, { pid, port }: RoleProcess) {
  await untilNobodyWorks(port);
  await sleep(REST_MS);
  const readTicks = () => [...ticksByProcess([pid]).values()].reduce((sum, ticks) => sum + ticks, 0);
  const ticksBefore = readTicks();
  const beganMs = performance.now();
  const response = await fetch(`${origin}/fn/default/streaming`);
  const reader = response.body!.getReader();
  await reader.read();
  const firstByteMs = performance.now() - beganMs;
  while (!(await reader.read()).done);
  await untilNobodyWorks(port);
  return { firstByteMs, processorMs: ((readTicks() - ticksBefore) * TICK_US) / 1_000 };
}

/** No process of a worker is left, not even one that ends. */
export async function untilNobodyWorks(autoscalerPort: number): Promise<void> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${autoscalerPort}/targets`);
    if (((await response.json()) as unknown[]).length === 0) return;
    await sleep(20);
  }
}
