import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import type { FinishedAttempt } from "../core/store/runs/finish.ts";
import { createWorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import type { ClaimSource } from "./intake.ts";
import { measureClaims, measureRecording } from "./measured-store.ts";

async function shows(registry: Registry, lines: string[]): Promise<void> {
  const text = await registry.metrics();
  for (const line of lines) assert.ok(text.split("\n").includes(line), `no ${line} in\n${text}`);
}

const runs = (count: number) => Array<ClaimedRun>(count).fill({} as ClaimedRun);

test("claims are counted by where the runs were found, and failures apart", async () => {
  const registry = new Registry();
  let isBroken = false;
  const claim = async (count: number) => {
    if (isBroken) throw new Error("no database");
    return runs(count);
  };
  const source: ClaimSource = {
    claimRuns: (ids) => claim(ids.length - 1),
    claimDueRuns: async () => ({ runs: await claim(3), found: 4 }),
    findEarlyRuns: async () => [],
    msUntilNextQueued: async () => null,
  };
  const measured = measureClaims(source, createWorkerMetrics(registry));
  assert.equal((await measured.claimRuns(["a", "b", "c"])).length, 2);
  assert.equal((await measured.claimDueRuns(10, 0)).runs.length, 3);
  isBroken = true;
  await assert.rejects(measured.claimDueRuns(10, 0), /no database/);
  await shows(registry, [
    'bellhop_runs_claimed_total{source="bells"} 2',
    'bellhop_runs_claimed_total{source="table"} 3',
    "bellhop_claim_errors_total 1",
    "bellhop_claim_duration_seconds_count 3",
  ]);
});

test("the statements that record are timed, those that fail too", async () => {
  const registry = new Registry();
  const metrics = createWorkerMetrics(registry);
  const report = { recorded: new Set<FinishedAttempt>(), ended: [] };
  assert.equal(await measureRecording(async () => report, metrics)([]), report);
  const broken = measureRecording(() => Promise.reject(new Error("no database")), metrics);
  await assert.rejects(broken([]), /no database/);
  await shows(registry, ["bellhop_recording_duration_seconds_count 2"]);
});
