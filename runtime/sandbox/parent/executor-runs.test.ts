import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttemptOutcome } from "../../../core/domain/attempt.ts";
import { DEFAULT_FUNCTION_LIMITS } from "../../../core/domain/function-limits.ts";
import { DEFAULT_SANDBOX_SETTINGS } from "../settings.ts";
import type { ExecutorChannel } from "./executor-channel.ts";
import { ExecutorRuns } from "./executor-runs.ts";
import type { Job } from "./job.ts";
import { executorKilled, memoryExceeded } from "./outcome.ts";

/** Takes what is written; only `isOpen` matters here. */
const channel = { isOpen: true, write: () => true, drained: () => Promise.resolve() };

function makeJob(outcomes: AttemptOutcome[], given: Partial<Job["options"]> = {}): Job {
  return {
    invocation: {
      runId: "run",
      namespaceId: "ns",
      revisionId: "r",
      code: "exports.default = () => 1",
      input: null,
      attempt: 1,
      scheduledFor: new Date(0),
      env: {},
      limits: DEFAULT_FUNCTION_LIMITS,
      reuse: true,
      trigger: "invoke",
      traceparent: "",
    },
    options: { signal: new AbortController().signal, onLog() {}, ...given },
    cancel: undefined,
    finish: (outcome) => outcomes.push(outcome),
  };
}

test("an executor killed for memory condemns the run under way alone, not those behind it in its batch", async () => {
  const events = { onChange() {}, onGivenBack() {}, onRecycle() {}, onBroken() {} };
  const runs = new ExecutorRuns(DEFAULT_SANDBOX_SETTINGS, {}, channel as unknown as ExecutorChannel, events);
  const outcomes: AttemptOutcome[] = [];
  runs.start([makeJob(outcomes), makeJob(outcomes), makeJob(outcomes)]);
  await new Promise(setImmediate);
  assert.equal([...runs.sent()].length, 3);
  runs.finishAll((run) =>
    run.batch.runs[0] === run ? memoryExceeded(DEFAULT_FUNCTION_LIMITS) : executorKilled("was stopped"),
  );
  const codes = outcomes.map((outcome) => (outcome.kind === "failed" ? outcome.error.code : outcome.kind));
  assert.deepEqual(codes, ["function_memory_exceeded", "executor_killed", "executor_killed"]);
});

test("a run's time begins when its isolate comes to it, and what is left of it is asked when it is sent", async () => {
  const events = { onChange() {}, onGivenBack() {}, onRecycle() {}, onBroken() {} };
  const written: { t: string; runs?: { id: number; wallMs: number }[] }[] = [];
  const recording = { ...channel, write: (message: (typeof written)[number]) => written.push(message) };
  const runs = new ExecutorRuns(
    DEFAULT_SANDBOX_SETTINGS,
    {},
    recording as unknown as ExecutorChannel,
    events,
  );
  const begun: number[] = [];
  const jobs = [1, 2, 3].map((no) => makeJob([], { onBegin: () => begun.push(no) }));
  jobs[1]!.invocation.fitWallMs = () => 1_234;
  runs.start(jobs);
  await new Promise(setImmediate);
  assert.deepEqual(begun, [1]);
  const { wallMs } = DEFAULT_FUNCTION_LIMITS;
  const sent = written.find(({ t }) => t === "invoke")?.runs?.map((run) => run.wallMs);
  assert.deepEqual(sent, [wallMs, 1_234, wallMs]);
  const result = { t: "result", result: "1", droppedLines: 0, reused: false, recycle: false } as const;
  runs.receive({ ...result, id: 1 });
  assert.deepEqual(begun, [1, 2]);
  runs.receive({ ...result, id: 2 });
  assert.deepEqual(begun, [1, 2, 3]);
});
