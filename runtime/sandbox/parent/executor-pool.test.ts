/** Who gets an executor, when, and for how long. */
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Registry } from "prom-client";
import { createSandboxMetrics } from "../../../core/telemetry/metrics/sandbox.ts";
import { type Call, errorOf, resultOf, startSandboxFor } from "../sandbox-fixture.ts";

const ANSWER = "export default () => 42;";
const WAIT = "export default async () => { console.log('here'); await new Promise(() => {}); };";

describe("one executor", () => {
  test("runs so many at once; the others wait in order, and may be cancelled there", async (t) => {
    const { begin, pool } = startSandboxFor(t, { isolatesPerExecutor: 1, maxExecutors: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    const running = await begin(WAIT, { signal: first.signal, wallMs: 60_000 });
    await running.logged("here");
    const waiting = await begin("export default () => console.log('began');", { signal: second.signal });
    let hasBegun = false;
    const last = await begin(ANSWER, {
      onBegin() {
        hasBegun = true;
      },
    });
    second.abort();
    assert.deepEqual(await waiting.outcome, { kind: "cancelled" });
    assert.deepEqual(waiting.lines, []);
    assert.equal(hasBegun, false, "its time does not run yet");
    first.abort();
    assert.deepEqual(await running.outcome, { kind: "cancelled" });
    assert.equal(resultOf(await last.outcome), 42);
    assert.equal(hasBegun, true);
    assert.ok(pool.pidOf("ns"));
  });

  test("refuses what would wait beyond the bound, as retryable", async (t) => {
    const { begin, call } = startSandboxFor(t, { isolatesPerExecutor: 1, maxExecutors: 1, maxWaiting: 1 });
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

/** The timers and the clock of this process, which advance when told; executors have their own. */
function stubClock(t: TestContext): (ms: number) => void {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = performance.now();
  t.mock.method(performance, "now", () => now);
  return (ms) => {
    now += ms;
    t.mock.timers.tick(ms);
  };
}

/** Until it has come the stubbed clock passes as fast as the true one. */
async function whileTimePasses<T>(awaited: Promise<T>, advance: (ms: number) => void): Promise<T> {
  let isPending = true;
  const settle = () => {
    isPending = false;
  };
  awaited.then(settle, settle);
  for (let seen = process.hrtime.bigint(); isPending; ) {
    await setImmediate();
    const now = process.hrtime.bigint();
    advance(Number(now - seen) / 1e6);
    seen = now;
  }
  return await awaited;
}

/** Executors that take runs or are about to. */
async function countExecutors(registry: Registry): Promise<number> {
  const states = /^bellhop_executors\{.*state="(?:starting|serving)".*\} (\d+)$/gm;
  let executors = 0;
  for (const [, count] of (await registry.metrics()).matchAll(states)) executors += Number(count);
  return executors;
}

describe("a namespace whose executor is full of runs that wait", () => {
  test("gets another for those that find no place, beside its first", async (t) => {
    const { begin, call, pool } = startSandboxFor(t, { isolatesPerExecutor: 2 });
    const stopping = new AbortController();
    const open: Call[] = [];
    for (let run = 0; run < 4; run++) {
      open.push(await begin(WAIT, { signal: stopping.signal, revisionId: "stream", wallMs: 60_000 }));
    }
    await Promise.all(open.map((run) => run.logged("here")));
    const pid = pool.pidOf("ns");
    assert.equal(resultOf(await call(ANSWER, { wallMs: 60_000 })), 42);
    stopping.abort();
    for (const { outcome } of open) assert.deepEqual(await outcome, { kind: "cancelled" });
    assert.equal(pool.pidOf("ns"), pid);
    assert.equal(resultOf(await call(ANSWER, { wallMs: 60_000 })), 42);
  });

  test("which ends when nobody has used it for a while", async (t) => {
    const registry = new Registry();
    const settings = { isolatesPerExecutor: 1, idleExecutorMs: 20, spareExecutors: 0 };
    const { begin, call } = startSandboxFor(t, settings, { metrics: createSandboxMetrics(registry) });
    const running = await begin(WAIT, { wallMs: 60_000 });
    await running.logged("here");
    assert.equal(resultOf(await call(ANSWER, { wallMs: 60_000 })), 42);
    const hasEnded = async () => /_exits_total\{.*cause="idle".*\} 1/.test(await registry.metrics());
    while (!(await hasEnded())) await setImmediate();
  });

  test("gets none for a run that has left", async (t) => {
    const advance = stubClock(t);
    const registry = new Registry();
    const settings = { isolatesPerExecutor: 1, spareExecutors: 0 };
    const { begin } = startSandboxFor(t, settings, { metrics: createSandboxMetrics(registry) });
    const running = await begin(WAIT, { wallMs: 60_000 });
    await running.logged("here");
    const leaving = new AbortController();
    const waiting = await begin(ANSWER, { signal: leaving.signal });
    await setImmediate();
    leaving.abort();
    assert.deepEqual(await waiting.outcome, { kind: "cancelled" });
    advance(100);
    assert.equal(await countExecutors(registry), 1);
  });

  test("gets none while each waits a little, though there is always one that waits", async (t) => {
    const advance = stubClock(t);
    const registry = new Registry();
    const settings = { isolatesPerExecutor: 1, spareExecutors: 0 };
    const { begin } = startSandboxFor(t, settings, { metrics: createSandboxMetrics(registry) });
    const running = await begin(WAIT, { wallMs: 60_000 });
    await running.logged("here");
    const leaving = new AbortController();
    await begin(ANSWER, { signal: leaving.signal });
    await setImmediate();
    advance(60);
    const next = await begin(ANSWER, { wallMs: 60_000 });
    await setImmediate();
    leaving.abort();
    advance(60);
    assert.equal(await countExecutors(registry), 1);
    advance(39);
    assert.equal(await countExecutors(registry), 1);
    advance(1);
    assert.equal(await countExecutors(registry), 2);
    assert.equal(resultOf(await next.outcome), 42);
  });

  test("gets none for a run that waits because the executor is behind with reading", async (t) => {
    const advance = stubClock(t);
    const registry = new Registry();
    const { begin, call } = startSandboxFor(
      t,
      { spareExecutors: 0 },
      { metrics: createSandboxMetrics(registry) },
    );
    assert.equal(resultOf(await call(ANSWER, { wallMs: 60_000 })), 42);
    const text = "x".repeat(4_000_000);
    const large = await begin("export default ({ text }) => text.length;", {
      input: { text },
      wallMs: 60_000,
    });
    const next = await begin(ANSWER, { wallMs: 60_000 });
    await setImmediate();
    advance(100);
    assert.equal(await countExecutors(registry), 1);
    assert.equal(resultOf(await large.outcome), text.length);
    assert.equal(resultOf(await next.outcome), 42);
    assert.equal(await countExecutors(registry), 1);
  });

  test("has the others take what the first, behind with reading, has kept waiting for as long", async (t) => {
    const advance = stubClock(t);
    const { begin, pool } = startSandboxFor(t, { isolatesPerExecutor: 2, spareExecutors: 0 });
    const stopping = new AbortController();
    const open: Call[] = [];
    for (let run = 0; run < 2; run++) {
      open.push(await begin(WAIT, { signal: stopping.signal, wallMs: 60_000 }));
      await open[run]!.logged("here");
    }
    const crowded = await begin(ANSWER, { wallMs: 60_000 });
    await setImmediate();
    advance(100);
    assert.equal(resultOf(await whileTimePasses(crowded.outcome, advance)), 42);
    stopping.abort();
    for (const { outcome } of open) assert.deepEqual(await outcome, { kind: "cancelled" });
    const first = pool.pidOf("ns")!;
    process.kill(first, "SIGSTOP");
    const large = await begin("export default ({ text }) => text.length;", {
      input: { text: "x".repeat(4_000_000) },
      wallMs: 60_000,
    });
    let hasBegun = false;
    const next = await begin(ANSWER, {
      wallMs: 60_000,
      onBegin() {
        hasBegun = true;
      },
    });
    await setImmediate();
    advance(99);
    assert.equal(hasBegun, false, "the first one's isolates are the warm ones");
    advance(1);
    assert.equal(resultOf(await whileTimePasses(next.outcome, advance)), 42);
    process.kill(first, "SIGCONT");
    assert.equal(resultOf(await whileTimePasses(large.outcome, advance)), 4_000_000);
  });

  test("has the others take what comes at once while no run of the first ends, and else what has waited", async (t) => {
    const advance = stubClock(t);
    const { begin } = startSandboxFor(t, { isolatesPerExecutor: 2, spareExecutors: 0 });
    const fill = async () => {
      const stopping = new AbortController();
      const run = await begin(WAIT, { signal: stopping.signal, wallMs: 60_000 });
      await run.logged("here");
      return async () => {
        stopping.abort();
        assert.deepEqual(await run.outcome, { kind: "cancelled" });
      };
    };
    const begun: string[] = [];
    const answer = (name: string) => begin(ANSWER, { wallMs: 60_000, onBegin: () => begun.push(name) });
    const [end] = [await fill(), await fill()];
    const crowded = await answer("the one that waited");
    await setImmediate();
    advance(100);
    assert.equal(resultOf(await whileTimePasses(crowded.outcome, advance)), 42);

    const next = await answer("while none ends");
    await setImmediate();
    assert.deepEqual(begun, ["the one that waited", "while none ends"]);
    assert.equal(resultOf(await next.outcome), 42);

    await end();
    await fill();
    const last = await answer("while they end");
    await setImmediate();
    advance(99);
    assert.equal(begun.length, 2, "the first one's isolates are the warm ones");
    advance(1);
    assert.equal(resultOf(await whileTimePasses(last.outcome, advance)), 42);
    assert.equal(begun.at(-1), "while they end");
  });

  test("takes no more than half of a worker's executors for that: the rest are other namespaces'", async (t) => {
    const { begin, call } = startSandboxFor(t, { isolatesPerExecutor: 1, maxExecutors: 2 });
    const stopping = new AbortController();
    const running = await begin(WAIT, { namespaceId: "a", signal: stopping.signal, wallMs: 60_000 });
    await running.logged("here");
    const waiting = await begin(ANSWER, { namespaceId: "a", wallMs: 60_000 });
    assert.equal(resultOf(await call(ANSWER, { namespaceId: "b", wallMs: 60_000 })), 42);
    stopping.abort();
    assert.equal(resultOf(await waiting.outcome), 42);
  });

  test("gives it up where another namespace waits for one; what runs there goes on", async (t) => {
    const settings = { isolatesPerExecutor: 1, maxExecutors: 4, tenureMs: 60_000 };
    const { begin, call } = startSandboxFor(t, settings);
    const stopping = new AbortController();
    const open: Call[] = [];
    for (const namespaceId of ["a", "a", "b", "c"]) {
      const running = await begin(WAIT, { namespaceId, signal: stopping.signal, wallMs: 60_000 });
      await running.logged("here");
      open.push(running);
    }
    assert.equal(resultOf(await call(ANSWER, { namespaceId: "d", wallMs: 60_000 })), 42);
    stopping.abort();
    for (const { outcome } of open) assert.deepEqual(await outcome, { kind: "cancelled" });
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
