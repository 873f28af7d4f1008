/** Who gets an executor, when, and for how long. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { errorOf, resultOf, startSandboxFor } from "../sandbox-fixture.ts";

const ANSWER = "export default () => 42;";
const WAIT = "export default async () => { console.log('here'); await new Promise(() => {}); };";

describe("one executor", () => {
  test("runs so many at once; the others wait in order, and may be cancelled there", async (t) => {
    const { begin, pool } = startSandboxFor(t, { isolatesPerExecutor: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    const running = await begin(WAIT, { signal: first.signal });
    await running.logged("here");
    const waiting = await begin("export default () => console.log('began');", { signal: second.signal });
    const last = await begin(ANSWER);
    second.abort();
    assert.deepEqual(await waiting.outcome, { kind: "cancelled" });
    assert.deepEqual(waiting.lines, []);
    first.abort();
    assert.deepEqual(await running.outcome, { kind: "cancelled" });
    assert.equal(resultOf(await last.outcome), 42);
    assert.ok(pool.pidOf("ns"));
  });

  test("refuses what would wait beyond the bound, as retryable", async (t) => {
    const { begin, call } = startSandboxFor(t, { isolatesPerExecutor: 1, maxWaiting: 1 });
    const running = await begin(WAIT);
    await running.logged("here");
    await begin(ANSWER);
    const { code, retryable } = errorOf(await call(ANSWER));
    assert.deepEqual([code, retryable], ["sandbox_overloaded", true]);
  });

  test("is replaced after so many runs", async (t) => {
    const { call, pool } = startSandboxFor(t, { maxRunsPerExecutor: 2 });
    const pids: (number | undefined)[] = [];
    for (let executor = 0; executor < 2; executor++) {
      assert.equal(resultOf(await call(ANSWER, { revisionId: "same" })), 42);
      const pid = pool.pidOf("ns");
      assert.equal(typeof pid, "number", "one run more was allowed");
      pids.push(pid);
      assert.equal(resultOf(await call(ANSWER, { revisionId: "same" })), 42);
      while (pool.pidOf("ns") === pid) await setImmediate();
    }
    assert.notEqual(pids[0], pids[1]);
  });

  test("is closed when nobody used it for a while, and opened again", async (t) => {
    const { call, pool } = startSandboxFor(t, { idleExecutorMs: 20 });
    assert.equal(resultOf(await call(ANSWER)), 42);
    while (pool.pidOf("ns") !== undefined) await setImmediate();
    assert.equal(resultOf(await call(ANSWER)), 42);
  });
});

describe("few executors for many namespaces", () => {
  test("an idle one makes room", async (t) => {
    const { call, pool } = startSandboxFor(t, { maxExecutors: 1 });
    assert.equal(resultOf(await call(ANSWER, { namespaceId: "a" })), 42);
    const pid = pool.pidOf("a");
    assert.equal(resultOf(await call(ANSWER, { namespaceId: "b" })), 42);
    assert.equal(pool.pidOf("a"), undefined);
    assert.notEqual(pool.pidOf("b"), pid);
  });

  test("a busy one makes room when it has had its time", async (t) => {
    const { begin, call } = startSandboxFor(t, { maxExecutors: 1, tenureMs: 0, isolatesPerExecutor: 1 });
    const controller = new AbortController();
    const running = await begin(WAIT, { namespaceId: "a", signal: controller.signal });
    await running.logged("here");
    const more = await begin(ANSWER, { namespaceId: "a" });
    const other = call(ANSWER, { namespaceId: "b" });
    controller.abort();
    assert.equal(resultOf(await other), 42);
    assert.equal(resultOf(await more.outcome), 42);
  });
});

test("where no executor starts, the runs fail as retryable and the sandbox still closes", async (t) => {
  const { call } = startSandboxFor(t, { executorHeapMb: Number.NaN });
  const { code, retryable } = errorOf(await call(ANSWER));
  assert.deepEqual([code, retryable], ["executor_unavailable", true]);
});
