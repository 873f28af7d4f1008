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

function makeJob(outcomes: AttemptOutcome[]): Job {
  return {
    invocation: {
      runId: "run",
      namespaceId: "ns",
      revisionId: "r",
      code: "exports.default = () => 1",
      input: null,
      attempt: 1,
      scheduledFor: new Date(0),
      deadlineAt: new Date(0),
      env: {},
      limits: DEFAULT_FUNCTION_LIMITS,
      reuse: true,
      trigger: "invoke",
      traceparent: "",
    },
    options: { signal: new AbortController().signal, onLog() {} },
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
