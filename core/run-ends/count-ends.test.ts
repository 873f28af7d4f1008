import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { createRunEndMetrics } from "../telemetry/metrics/run-ends.ts";
import { countEnds } from "./count-ends.ts";
import { createRunEnds } from "./run-ends.ts";
import { endedRun } from "./testing/ended-run.ts";

test("what ended for good is counted once, whoever ended it; what goes on is not", async () => {
  const registry = new Registry();
  const ends = createRunEnds([countEnds(createRunEndMetrics(registry))], (error) =>
    assert.fail(error as Error),
  );
  ends.tell([
    endedRun(),
    endedRun({ state: "cancelled", cause: "cancel", type: "email" }),
    endedRun({ state: "failed", cause: "lost_call", type: "function" }),
    endedRun({ state: "scheduled" }),
    endedRun({ state: "dead" }),
    endedRun({ state: "queued" }),
  ]);
  ends.tell([endedRun({ state: "failed", cause: "discard" })]);
  const { values } = await registry.getSingleMetric("bellhop_runs_ended_total")!.get();
  assert.deepEqual(
    values.filter(({ value }) => value > 0).map(({ labels, value }) => [labels.type, labels.state, value]),
    [
      ["http", "succeeded", 1],
      ["http", "failed", 1],
      ["email", "cancelled", 1],
      ["function", "failed", 1],
    ],
  );
});
