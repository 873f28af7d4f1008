import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../core/clock.ts";
import { succeeded } from "../core/domain/attempt.ts";
import { LazyAbort } from "../core/lazy-abort.ts";
import type { TriedAttempt } from "../core/store/runs/finish.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createRegistry } from "../core/telemetry/metrics/registry.ts";
import { createWorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { NO_SPAN } from "../core/telemetry/tracing.ts";
import { createRecording } from "../test/support/recording.ts";
import type { MetCaller } from "./direct/caller-meetings.ts";
import type { DirectWay } from "./direct/direct-calls.ts";
import { createInputRoom } from "./input-room.ts";
import type { TaskRunner } from "./runners/task-runner.ts";
import { createRunningAttempts } from "./running-attempts.ts";
import type { HttpCall } from "./sandbox/invocation.ts";
import { createSlots, MOST_RECORDING_BYTES } from "./slots.ts";
import { claimedRun } from "./testing/claimed-run.ts";
import { createWork } from "./work.ts";

const MET: MetCaller = {
  toCall: () => ({ onHead() {} }) as unknown as HttpCall,
  hasBegun: () => true,
  record: async (attempt, write) => void (await write(attempt)),
  close() {},
};

/** Work in one slot, which is taken; its attempts are recorded when the test says so. */
function openWork(runner: TaskRunner) {
  const slots = createSlots(1);
  const records = createRecording<{ bytes: number | undefined; end(): void }>("record");
  const record = (attempt: TriedAttempt, bytes?: number) =>
    new Promise<TriedAttempt>((resolve) => records.add({ bytes, end: () => resolve(attempt) }));
  slots.take(1);
  const work = createWork({
    ...{ facts: { id: "w", host: "here", pid: 1, slots: 1 }, clock: systemClock, slots },
    ...{ log: createLogger("worker", "silent"), metrics: createWorkerMetrics(createRegistry("worker")) },
    ...{ traceAttempt: () => NO_SPAN, room: createInputRoom(1_000), running: createRunningAttempts() },
    runners: { http: runner, email: runner, function: runner },
    recordClaimed: record,
    callers: { meet: async () => MET },
  });
  const whenRecording = async () => (await records.waitFor(() => true))[0]!;
  return { work, slots, record, whenRecording };
}

test("the slot of a claimed run is free while it is recorded", async () => {
  const { work, slots, whenRecording } = openWork(async () => succeeded(null));
  const done = work.runClaimed(claimedRun());
  const { bytes, end } = await whenRecording();
  assert.deepEqual([slots.free(), slots.inWork()], [1, 1]);
  assert.ok(bytes, "what was estimated for the slots is handed on");
  end();
  await done;
  assert.deepEqual([slots.free(), slots.inWork()], [1, 0]);
});

test("what a run keeps in memory until it is recorded are its result and its input", async () => {
  const half = "x".repeat(MOST_RECORDING_BYTES / 2);
  const { work, slots, whenRecording } = openWork(async () => succeeded(half));
  // Another's are recorded already.
  slots.beginRecording(1);
  slots.take(1);
  const done = work.runClaimed(claimedRun({ spec: { type: "function", function: "f", input: half } }));
  const { end } = await whenRecording();
  assert.equal(slots.free(), 0);
  end();
  await done;
  assert.equal(slots.free(), 1);
});

test("a direct call keeps its slot until it is recorded", async () => {
  const { work, slots, record, whenRecording } = openWork(async () => succeeded(null));
  const way: DirectWay = { isDirect: true, record, stopped: new LazyAbort(), isInTable: () => false };
  const done = work.runDirect(claimedRun(), way);
  const { end } = await whenRecording();
  assert.equal(slots.free(), 0);
  end();
  await done;
  assert.equal(slots.free(), 1);
});

test("a claimed run that met its caller keeps its slot until it is recorded", async () => {
  const { work, slots, whenRecording } = openWork(async (_run, context) => {
    assert.ok(await context.meetCaller?.("api", undefined));
    return succeeded(null);
  });
  const done = work.runClaimed(claimedRun());
  const { end } = await whenRecording();
  assert.equal(slots.free(), 0);
  end();
  await done;
  assert.equal(slots.free(), 1);
});
