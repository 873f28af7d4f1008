import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import type { RunTrigger } from "../core/domain/run-trigger.ts";
import type { DeadLetter, QueueTransport } from "../core/queue/transport.ts";
import type { FinishedAttempt } from "../core/store/runs/finish.ts";
import { createWorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { NO_SPAN } from "../core/telemetry/tracing.ts";
import { afterRecording } from "./after-recording.ts";
import { claimedRun, finishedAttempt } from "./testing/claimed-run.ts";

const SECRET = "what the function said";
const ERROR = { code: "function_error", message: SECRET };

function openParts() {
  const registry = new Registry();
  const running = new Map<string, { run: ReturnType<typeof claimedRun>; isDirect: boolean }>();
  const [lines, notified, letters] = [[] as object[], [] as unknown[], [] as DeadLetter[]];
  const granted: string[][] = [];
  const write = (level: string) => (fields: object, msg: string) =>
    void lines.push({ level, msg, ...fields });
  const parts = {
    metrics: createWorkerMetrics(registry),
    notifier: { notify: (...said: unknown[]) => void notified.push(said), flush: async () => {} },
    transport: {
      publishDeadLetters: async (given: DeadLetter[]) => void letters.push(...given),
    } as unknown as QueueTransport,
    log: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") } as never,
    grant: (keys: string[]) => void granted.push(keys),
    find({ runId }: FinishedAttempt) {
      const found = running.get(runId);
      return found && { ...found, span: NO_SPAN };
    },
  };
  /** An attempt of a run that is in work. */
  const attemptOf = (
    name: string | undefined,
    given: Parameters<typeof finishedAttempt>[0] = {},
    isDirect = false,
    trigger: RunTrigger = "schedule",
  ) => {
    const run = claimedRun({
      ...(name === undefined ? {} : { spec: { type: "function", function: name, input: null } }),
      trigger,
    });
    running.set(run.id, { run, isDirect });
    return finishedAttempt({ runId: run.id, taskId: run.taskId, type: run.spec.type, ...given });
  };
  return { parts, registry, attemptOf, lines, notified, letters, granted };
}

test("attempts are counted by type, way, end and function; who must know is told", async () => {
  const { parts, registry, attemptOf, lines, notified, letters, granted } = openParts();
  const direct = attemptOf("greet", {}, true);
  const dead = attemptOf("broken", { verdict: { state: "dead", error: ERROR } });
  const again = attemptOf(undefined, {
    verdict: { state: "scheduled", availableAt: new Date(), error: ERROR },
  });
  const attempts = [direct, dead, again];
  const recorded = new Set(attempts);
  afterRecording(parts, attempts, { recorded, awaited: [direct.runId], wantedKeys: ["function:f"] });
  assert.deepEqual(granted, [["function:f"]]);
  const text = await registry.metrics();
  for (const line of [
    'bellhop_attempts_total{type="function",way="direct",state="succeeded"} 1',
    'bellhop_attempts_total{type="function",way="queue",state="dead"} 1',
    'bellhop_attempts_total{type="http",way="queue",state="scheduled"} 1',
    'bellhop_function_attempts_total{function="greet",state="succeeded"} 1',
    'bellhop_function_attempts_total{function="broken",state="dead"} 1',
    'bellhop_function_duration_seconds_count{function="greet"} 1',
  ])
    assert.ok(text.split("\n").includes(line), `no ${line} in\n${text}`);
  assert.deepEqual(notified, [["bellhop_schedule"], ["bellhop_finished", [direct.runId]]]);
  assert.deepEqual(
    letters.map(({ runId }) => runId),
    [dead.runId],
  );
  const told = lines.filter((line) => "runId" in line && line.runId === dead.runId);
  assert.deepEqual(told, [
    {
      ...{ level: "debug", msg: "attempt recorded", runId: dead.runId, taskId: dead.taskId, attempt: 1 },
      ...{ state: "dead", code: undefined },
    },
    {
      ...{ level: "warn", event: "run_failed", runId: dead.runId, taskId: dead.taskId, attempt: 1 },
      ...{ type: "function", function: "broken", trigger: "schedule", code: "function_error", isDead: true },
      msg: `run ${dead.runId} (function broken, schedule) failed and is a dead letter: function_error; GET /v1/runs/${dead.runId} tells more`,
    },
  ]);
  assert.doesNotMatch(JSON.stringify(lines), new RegExp(SECRET));
});

test("a run that failed is one readable line, whatever made it", () => {
  const { parts, attemptOf, lines } = openParts();
  for (const trigger of ["invoke", "http", "hook", "manual", "schedule"] as const) {
    const failed = attemptOf("broken", { verdict: { state: "failed", error: ERROR } }, false, trigger);
    afterRecording(parts, [failed], { recorded: new Set([failed]), awaited: [], wantedKeys: [] });
    const told = lines.filter((line) => "level" in line && line.level === "warn");
    assert.equal(
      (told.at(-1) as { msg: string }).msg,
      `run ${failed.runId} (function broken, ${trigger}) failed: function_error; GET /v1/runs/${failed.runId} tells more`,
    );
  }
});

test("a result that was not recorded is counted and told, and nobody else hears of it", async () => {
  const { parts, registry, attemptOf, lines, notified, letters } = openParts();
  const late = attemptOf("greet", { verdict: { state: "dead", error: ERROR } });
  afterRecording(parts, [late], { recorded: new Set(), awaited: [], wantedKeys: [] });
  const text = await registry.metrics();
  assert.ok(text.includes("bellhop_results_dropped_total 1"));
  assert.ok(text.includes('bellhop_attempts_total{type="function",way="queue",state="dead"} 0'));
  assert.deepEqual([notified, letters], [[], []]);
  assert.equal(lines.length, 1);
});
