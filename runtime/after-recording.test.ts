import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { createRunEnds } from "../core/run-ends/run-ends.ts";
import { endedRun } from "../core/run-ends/testing/ended-run.ts";
import type { EndedRun } from "../core/store/runs/end.ts";
import { createWorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { NO_SPAN } from "../core/telemetry/tracing.ts";
import { countAttempts, tellDropped } from "./after-recording.ts";
import { claimedRun, finishedAttempt } from "./testing/claimed-run.ts";

const SECRET = "what the function said";
const ERROR = { code: "function_error", message: SECRET };

function openParts() {
  const registry = new Registry();
  const found = new Map<string, { run: ReturnType<typeof claimedRun>; isDirect: boolean }>();
  const lines: object[] = [];
  const write = (level: string) => (fields: object, msg: string) =>
    void lines.push({ level, msg, ...fields });
  const parts = {
    metrics: createWorkerMetrics(registry),
    log: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") } as never,
    running: {
      find({ id }: { id: string }) {
        const run = found.get(id);
        return run && { ...run, span: NO_SPAN };
      },
    },
  };
  /** The end of a run that is in work. */
  const endOf = (name: string | undefined, given: Partial<EndedRun> = {}, isDirect = false) => {
    const run = claimedRun({
      ...(name === undefined ? {} : { spec: { type: "function", function: name, input: null } }),
    });
    found.set(run.id, { run, isDirect });
    return endedRun({ runId: run.id, taskId: run.taskId, type: run.spec.type, ...given });
  };
  return { parts, registry, endOf, lines };
}

test("attempts are counted by type, way, end and function; others' ends are not", async () => {
  const { parts, registry, endOf, lines } = openParts();
  const dead = endOf("broken", { state: "dead", error: ERROR });
  createRunEnds([countAttempts(parts)], (error) => assert.fail(error as Error)).tell([
    endOf("greet", {}, true),
    endOf("greet", { cause: "lost_call", state: "failed" }),
    endOf(undefined, { state: "scheduled", error: ERROR }),
    dead,
  ]);
  const text = await registry.metrics();
  for (const line of [
    'bellhop_attempts_total{type="function",way="direct",state="succeeded"} 1',
    'bellhop_attempts_total{type="function",way="queue",state="failed"} 0',
    'bellhop_attempts_total{type="function",way="queue",state="dead"} 1',
    'bellhop_attempts_total{type="http",way="queue",state="scheduled"} 1',
    'bellhop_function_attempts_total{function="greet",state="succeeded"} 1',
    'bellhop_function_attempts_total{function="broken",state="dead"} 1',
    'bellhop_function_duration_seconds_count{function="greet"} 1',
  ])
    assert.ok(text.split("\n").includes(line), `no ${line} in\n${text}`);
  assert.deepEqual(
    lines.filter((line) => "runId" in line && line.runId === dead.runId),
    [
      {
        ...{ level: "debug", msg: "attempt recorded", state: "dead" },
        ...{ runId: dead.runId, taskId: dead.taskId, attempt: 1, code: "function_error" },
      },
    ],
  );
  assert.doesNotMatch(JSON.stringify(lines), new RegExp(SECRET));
});

test("a result that was not recorded is counted and told", async () => {
  const { parts, registry, lines } = openParts();
  const [late, recorded] = [finishedAttempt(), finishedAttempt()];
  tellDropped(parts, [late, recorded], { recorded: new Set([recorded]), ended: [] });
  assert.ok((await registry.metrics()).includes("bellhop_results_dropped_total 1"));
  assert.equal(lines.length, 1);
});
