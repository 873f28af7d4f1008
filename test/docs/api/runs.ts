/** Chapters "Runs" and "Dead letters". */
import assert from "node:assert/strict";
import { sql } from "kysely";
import { MAX_RECORDED_REQUESTS } from "../../../core/domain/attempt-facts.ts";
import { MAX_KEPT_INPUT_BYTES } from "../../../core/domain/kept-input.ts";
import { HERD_AHEAD_MS } from "../../../core/domain/staging.ts";
import { REDRIVE_BATCH } from "../../../core/store/runs/dead-letters.ts";
import { SAMPLE_ERROR } from "../../../core/store/testing/samples.ts";
import { GUEST_LIMITS } from "../../../functions/guest/limits.ts";
import { MAX_RESULT_DEPTH } from "../../../runtime/sandbox/parent/outcome.ts";
import { readTable, withoutBackticks } from "./document.ts";
import {
  type Elsewhere,
  HTTP_TASK,
  held,
  isCode,
  n,
  type Statement,
  statement,
  type World,
} from "./statement.ts";

/** That many dead letters of one task: one that died, and copies of it. */
async function bury({ api, tenant }: World, count: number): Promise<void> {
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body: HTTP_TASK });
  const { body: run } = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  await api.work(run.id, { state: "dead", error: SAMPLE_ERROR });
  await sql`INSERT INTO task_runs_open
    SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid()))).*
    FROM task_runs_open r, generate_series(2, ${count}::int) WHERE r.id = ${run.id}`.execute(api.db);
}

const CANCEL = "test/system/cancel.test.ts";
const ERRORS = "| code | retried | |";

const HERD: Elsewhere = [
  "core/domain/staging.test.ts",
  "what fits into a pass is staged a second ahead, and more of it earlier, by ten seconds at most",
];

export const RUNS: Statement[] = [
  held(
    `queued a second before its instant, and where thousands of tasks are due at once up to ${HERD_AHEAD_MS / 1_000} seconds`,
    HERD,
    ["scheduler/stage.test.ts", "the loop stages a herd early enough to be through by its instant"],
  ),
  held(`for a scheduled run up to ${HERD_AHEAD_MS / 1_000} seconds before its instant, mostly one`, HERD),
  held(
    `Beyond ${MAX_KEPT_INPUT_BYTES / 1024} KB of JSON text (${n(MAX_KEPT_INPUT_BYTES)} bytes) it is not stored`,
    ["core/domain/kept-input.test.ts", "an input is kept up to its bound, which counts bytes of JSON text"],
    ["test/system/secrets.test.ts", "a run shows the input of its call without secrets, bounded"],
  ),
  held(`first ${MAX_RECORDED_REQUESTS} completed requests`, [
    "core/domain/attempt-facts.test.ts",
    "the first ones are kept, the others counted",
  ]),
  held("measured once a second at most", [
    "runtime/sandbox/sandbox-metrics.test.ts",
    "a run is told what its isolate was and took",
  ]),
  held(
    "Cancelling a waiting run ends it at once (200). A running one is asked to stop (202)",
    ["api/runs/routes.test.ts", "cancelling what waits ends it at once"],
    ["api/runs/routes.test.ts", "cancelling what runs asks its worker: 202, and again 202"],
  ),
  held(
    "The worker learns of this within a second, whichever it is and however it got the run; if the bell is lost, at its next heartbeat",
    [CANCEL, "closes the connection of an http call"],
    [CANCEL, "reaches the signal of"],
    [CANCEL, "reaches the runs of every worker, all of a task"],
    ["runtime/worker-lease.test.ts", "a cancel that is heard before the worker knows of its"],
    ["runtime/worker.test.ts", "a cancel whose bell was lost is found by the heartbeat"],
  ),
  held(
    "anything that continues anyway is ended within two seconds",
    [CANCEL, "ends a function that ignores its signal"],
    ["runtime/attempt.test.ts", "a runner that ignores its abort is left behind after the grace"],
  ),
  held("A run that has ended, or is dead, is a 409 run_not_open", [
    "api/runs/routes.test.ts",
    "what has ended, or is a dead letter, cannot be cancelled: 409",
  ]),
  {
    says: withoutBackticks(readTable(ERRORS)),
    covers: isCode,
    heldBy: [["test/docs/run-errors.test.ts", "docs/api.md lists the error codes of runs, and no others"]],
  },
  held("| http_status | 408, 425, 429, 5xx |", [
    "runtime/runners/http.test.ts",
    "is retryable for the statuses that may pass",
  ]),
  held(`up to ${GUEST_LIMITS.causes} causes`, [
    "runtime/sandbox/error-causes.test.ts",
    "causes are bounded, whether they go round, on for ever or cannot be read",
  ]),
  held(`the result is nested more than ${n(MAX_RESULT_DEPTH)} levels deep`, [
    "runtime/sandbox/sandbox.test.ts",
    "by a result that is nested too deeply to be recorded fails of that, and may not be tried again",
  ]),
  statement(
    `at most ${n(REDRIVE_BATCH)} per call: repeat while redriven is ${REDRIVE_BATCH}`,
    async (world) => {
      const { tenant } = world;
      await bury(world, REDRIVE_BATCH + 1);
      const redrive = async () => (await tenant.call("POST", "/v1/dead-letters/redrive")).body.redriven;
      assert.deepEqual([await redrive(), await redrive(), await redrive()], [REDRIVE_BATCH, 1, 0]);
    },
  ),
];
