/** Which isolates stay warm, by real executors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { createSandboxMetrics } from "../../core/telemetry/metrics/sandbox.ts";
import { resultOf, type SandboxFixture, startSandboxFor } from "./sandbox-fixture.ts";

const COUNT = "let runs = 0; export default () => ++runs;";
const WAIT = "export default async () => { console.log('here'); await new Promise(() => {}); };";

/** Calls each of so many functions once; answers how many were warm. */
async function callInTurn({ call }: SandboxFixture, functions: number, namespaceId = "ns"): Promise<number> {
  let warm = 0;
  for (let n = 0; n < functions; n++) {
    const runs = resultOf(await call(COUNT, { namespaceId, revisionId: `${namespaceId} ${n}` }));
    if ((runs as number) > 1) warm++;
  }
  return warm;
}

test("of a round of more functions than there is memory for, most of those that fit stay warm", async (t) => {
  const registry = new Registry();
  const metrics = createSandboxMetrics(registry);
  // For 18 isolates of 5 MB, of which 11 to 17 stay: what loading one seemed to cost decides as well.
  const sandbox = startSandboxFor(t, { warmMemoryMb: 96, spareExecutors: 0 }, { metrics });
  await callInTurn(sandbox, 32);
  const [second, third] = [await callInTurn(sandbox, 32), await callInTurn(sandbox, 32)];
  // The least recently used would have gone just before its turn, each time.
  for (const warm of [second, third]) assert.ok(warm >= 9 && warm < 32, `${warm} of 32 were warm`);
  const pid = sandbox.pool.pidOf("ns");
  assert.ok(pid);
  // An executor tells when it has come to rest.
  const evicted = async () =>
    Number(/evictions_total\{cause="memory"\} (\d+)/.exec(await registry.metrics())?.[1]);
  while ((await evicted()) === 0) await sandbox.call(COUNT);
  assert.match(await registry.metrics(), /\nbellhop_isolates_warm [1-9]/);
  assert.match(await registry.metrics(), /\nbellhop_isolates_warm_bytes [1-9]/);
});

test("many functions of a namespace leave another's isolates as they are", async (t) => {
  const sandbox = startSandboxFor(t, { warmMemoryMb: 64 });
  await callInTurn(sandbox, 4, "few");
  await callInTurn(sandbox, 30, "many");
  await callInTurn(sandbox, 30, "many");
  assert.equal(await callInTurn(sandbox, 4, "few"), 4);
});

test("what has become warm beside a run does not count as what it takes", async (t) => {
  const sandbox = startSandboxFor(t, { warmMemoryMb: 1_024 });
  const stop = new AbortController();
  const running = await sandbox.begin(WAIT, { signal: stop.signal, wallMs: 600_000 });
  await running.logged("here");
  const pid = sandbox.pool.pidOf("ns");
  // More than the 320 MB that the runs may add to what the executor held when the first began.
  await callInTurn(sandbox, 120);
  assert.equal(await callInTurn(sandbox, 120), 120);
  assert.equal(sandbox.pool.pidOf("ns"), pid);
  stop.abort();
  assert.deepEqual(await running.outcome, { kind: "cancelled" });
});
