/** What a worker tells of its executors, by real ones. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Registry } from "prom-client";
import type { IsolateFacts } from "../../core/domain/attempt-facts.ts";
import { createSandboxMetrics } from "../../core/telemetry/metrics/sandbox.ts";
import { resultOf, startSandboxFor } from "./sandbox-fixture.ts";

async function readSeries(registry: Registry): Promise<Map<string, number>> {
  const lines = (await registry.metrics()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.split(" ")[0]!, Number(line.split(" ")[1])]));
}

test("cold and warm runs, executors and why they ended", async (t) => {
  const registry = new Registry();
  const metrics = createSandboxMetrics(registry);
  const { begin, call, pool } = startSandboxFor(
    t,
    { maxRunsPerExecutor: 4, spareExecutors: 0, isolatesPerExecutor: 1, maxExecutors: 1 },
    { metrics },
  );
  const answer = "export default () => 42;";
  for (let runs = 0; runs < 3; runs++) assert.equal(resultOf(await call(answer, { revisionId: "one" })), 42);
  let seen = await readSeries(registry);
  assert.equal(seen.get('bellhop_isolate_runs_total{isolate="cold"}'), 1);
  assert.equal(seen.get('bellhop_isolate_runs_total{isolate="warm"}'), 2);
  assert.equal(seen.get("bellhop_cold_start_duration_seconds_count"), 1);
  assert.ok(seen.get("bellhop_cold_start_duration_seconds_sum")! > 0);
  assert.equal(seen.get("bellhop_revision_fetch_duration_seconds_count"), 1);
  assert.equal(seen.get("bellhop_executor_boot_duration_seconds_count"), 1);
  assert.equal(seen.get('bellhop_executors{state="serving"}'), 1);

  const stop = new AbortController();
  const running = await begin(
    "export default async () => { console.log('here'); await new Promise(() => {}); };",
    {
      signal: stop.signal,
    },
  );
  await running.logged("here");
  const waiting = await begin(answer);
  seen = await readSeries(registry);
  assert.equal(seen.get('bellhop_executors{state="serving"}'), 1);
  assert.equal(seen.get("bellhop_executor_runs"), 1);
  assert.equal(seen.get("bellhop_isolates_busy"), 1);
  stop.abort();
  await running.outcome;
  assert.equal(resultOf(await waiting.outcome), 42);
  while ((await readSeries(registry)).get('bellhop_executor_exits_total{cause="replaced"}') !== 1)
    await setImmediate();
  await pool.close();
  seen = await readSeries(registry);
  assert.equal(seen.get('bellhop_executor_exits_total{cause="shutdown"}'), 1);
  assert.equal(seen.get('bellhop_executor_exits_total{cause="unexpected"}'), 0);
});

test("a run is told what its isolate was and took", async (t) => {
  const told: IsolateFacts[] = [];
  const { call } = startSandboxFor(t);
  // A busy machine gives it a part of that time.
  const source = "export default () => { for (const end = Date.now() + 100; Date.now() < end; ); };";
  for (let runs = 0; runs < 2; runs++)
    await call(source, { revisionId: "told", onIsolate: (isolate) => told.push(isolate) });
  const [cold, warm] = told;
  assert.deepEqual([cold!.start, warm!.start], ["cold", "warm"]);
  assert.ok(cold!.loadMs! > 0 && cold!.heldBytes! > 1_000_000);
  assert.equal(warm!.loadMs, undefined);
  assert.ok(cold!.cpuMs! >= 4 && warm!.cpuMs! >= 4);
});
