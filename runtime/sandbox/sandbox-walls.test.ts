/** What happens at the walls: endless code, runaway memory, executors that die. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Registry } from "prom-client";
import { descendantsOf } from "../../core/processes/process-tree.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { createSandboxMetrics } from "../../core/telemetry/metrics/sandbox.ts";
import { errorOf, resultOf, startSandboxFor } from "./sandbox-fixture.ts";

const ANSWER = "export default () => 42;";
/** Waits until it is told to go on by nobody: ends with its executor or its deadline. */
const WAIT = "export default async () => { console.log('here'); await new Promise(() => {}); };";

describe("time", () => {
  const endless: [string, string][] = [
    ["a loop", "() => { while (true) {} }"],
    ["a loop in the module's body", "() => 1;\nfor (;;);"],
    [
      "microtasks",
      "() => new Promise(() => { const next = (): any => Promise.resolve().then(next); next(); })",
    ],
    ["a wait", "() => new Promise(() => {})"],
    ["a loop in a timer", "() => new Promise(() => setTimeout(() => { for (;;); }, 1))"],
    ["the message of what it throws", "() => { throw { get message() { for (;;); } }; }"],
    ["the result's toJSON", "() => ({ toJSON() { for (;;); } })"],
    ["arithmetic that V8 does not interrupt", "() => { let b = 3n; for (;;) b = b * b; }"],
  ];
  for (const [name, expression] of endless) {
    test(`endless ${name} ends at the deadline, and the next call works`, async (t) => {
      const { call } = startSandboxFor(t);
      assert.equal(resultOf(await call(ANSWER)), 42);
      const startedAt = performance.now();
      const { code, retryable } = errorOf(await call(`export default ${expression}`, { wallMs: 200 }));
      const tookMs = performance.now() - startedAt;
      assert.deepEqual([code, retryable], ["function_timeout", true]);
      assert.ok(tookMs >= 200 && tookMs < 30_000, `${tookMs} ms`);
      assert.equal(resultOf(await call(ANSWER)), 42);
    });
  }

  test("a neighbour of an endless loop finishes where it runs", async (t) => {
    // On a machine that is busy the executor takes a while to stop the loop.
    const { begin, call, pool } = startSandboxFor(t, { killGraceMs: 30_000 });
    const neighbour = await begin(
      "export default async () => { console.log('here'); await new Promise((r) => setTimeout(r, 400)); return 1; };",
    );
    await neighbour.logged("here");
    const pid = pool.pidOf("ns");
    assert.equal(
      errorOf(await call("export default () => { for (;;); };", { wallMs: 100 })).code,
      "function_timeout",
    );
    assert.equal(resultOf(await call(ANSWER)), 42);
    assert.notEqual(pool.pidOf("ns"), pid);
    assert.equal(resultOf(await neighbour.outcome), 1);
  });
});

describe("memory", () => {
  const hungry: [string, string][] = [
    ["arrays", "const kept = []; for (;;) kept.push(new Array(1000).fill(1.5));"],
    ["strings", "const kept = []; for (;;) kept.push(('x' + kept.length).repeat(100_000));"],
    ["a map", "const kept = new Map(); for (let i = 0; ; i++) kept.set(i, i);"],
    ["objects after an await", "await null; const kept = []; for (;;) kept.push({ at: kept.length });"],
  ];
  for (const [name, body] of hungry) {
    test(`runaway ${name} ends the run, and the next call works`, async (t) => {
      const { call } = startSandboxFor(t);
      const outcome = await call(`export default async () => { ${body} };`, { wallMs: 30_000 });
      const { code, message, retryable } = errorOf(outcome);
      assert.deepEqual([code, retryable], ["function_memory_exceeded", false]);
      assert.match(message, /more than its 64 MB/);
      assert.equal(resultOf(await call(ANSWER)), 42);
    });
  }

  test("runaway buffers throw in the function, which may catch it", async (t) => {
    const { call } = startSandboxFor(t);
    const source = `export default () => {
      const kept = [];
      try { for (;;) kept.push(new Uint8Array(1_000_000).fill(1)); } catch (error: any) { return error.name; }
    };`;
    assert.equal(resultOf(await call(source)), "RangeError");
  });

  test("what earlier runs left in an isolate does not condemn the run that finds it full", async (t) => {
    const { call } = startSandboxFor(t);
    const source = `const kept: unknown[] = [];
      export default (count: number) => { for (let i = 0; i < count; i++) kept.push({ i }); return kept.length; };`;
    const revisionId = "leaky";
    assert.equal(resultOf(await call(source, { revisionId, input: 10 })), 10);
    const { code, retryable } = errorOf(await call(source, { revisionId, input: 1e9, wallMs: 30_000 }));
    assert.deepEqual([code, retryable], ["function_memory_exceeded", true]);
    assert.equal(resultOf(await call(source, { revisionId, input: 10 })), 10);
  });
});

describe("an executor that is killed", () => {
  test("ends each of its runs as retryable, and one that stands ready serves", async (t) => {
    const registry = new Registry();
    const { begin, call, pool } = startSandboxFor(t, {}, { metrics: createSandboxMetrics(registry) });
    const runs = await Promise.all(Array.from({ length: 20 }, () => begin(WAIT)));
    await Promise.all(runs.map(({ logged }) => logged("here")));
    const pid = pool.pidOf("ns")!;
    const hasSpare = async () =>
      /^bellhop_executors\{state="spare"\} 1$/m.test(await registry.metrics()) || undefined;
    await until(hasSpare);
    const started = descendantsOf(process.pid);
    process.kill(pid, "SIGKILL");
    for (const { outcome } of runs) {
      const { code, message, retryable } = errorOf(await outcome);
      assert.deepEqual([code, retryable], ["executor_killed", true]);
      assert.match(message, /^The process that ran this function ended unexpectedly\.$/);
    }
    assert.equal(resultOf(await call(ANSWER)), 42);
    assert.notEqual(pool.pidOf("ns"), pid);
    if (process.platform === "linux")
      assert.ok(started.includes(pool.pidOf("ns")!), "the next one stood ready");
  });

  test("by the worker, for a run that does not stop: the others are retried, that one timed out", async (t) => {
    const { begin, call } = startSandboxFor(t, { killGraceMs: 100 });
    const neighbour = await begin(WAIT);
    await neighbour.logged("here");
    const unstoppable = "export default () => { let b = 3n; for (;;) b = b * b; };";
    assert.equal(errorOf(await call(unstoppable, { wallMs: 100 })).code, "function_timeout");
    const { code, message, retryable } = errorOf(await neighbour.outcome);
    assert.deepEqual([code, retryable], ["executor_killed", true]);
    assert.match(message, /another run in it did not stop in time/);
  });

  test("by closing the sandbox ends its runs and refuses new ones", async (t) => {
    const { begin, call, pool } = startSandboxFor(t);
    const run = await begin(WAIT);
    await run.logged("here");
    await pool.close();
    assert.equal(errorOf(await run.outcome).code, "executor_killed");
    assert.equal(errorOf(await call(ANSWER)).code, "executor_killed");
  });
});
