/** What an author may lower: each limit ends the run with an error of its own, in words of its own. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { errorOf, resultOf, startSandboxFor } from "./sandbox-fixture.ts";

const SPIN = "export default () => { for (;;); }";

describe("a run's limits", () => {
  test("processor time and wall time are told apart", async (t) => {
    const { call } = startSandboxFor(t);
    const cpu = errorOf(await call(SPIN, { limits: { cpuMs: 100 } }));
    assert.deepEqual(
      [cpu.code, cpu.message, cpu.retryable],
      ["function_cpu_exceeded", "The function used more than its 100 ms of processor time.", false],
    );
    const wall = errorOf(await call(SPIN, { wallMs: 100 }));
    assert.deepEqual(
      [wall.code, wall.message, wall.retryable],
      ["function_timeout", "The function did not finish within its 100 ms.", true],
    );
  });

  test("waiting costs no processor time", async (t) => {
    const { call } = startSandboxFor(t);
    // The processor time is for the load, on a slow machine.
    const source = "export default () => new Promise((done) => setTimeout(done, 1_200, 'rested'))";
    assert.equal(resultOf(await call(source, { limits: { cpuMs: 800 } })), "rested");
  });

  test("a busy neighbour is not charged to a run that waits", async (t) => {
    const { begin, call } = startSandboxFor(t);
    const source = "export default () => new Promise((done) => setTimeout(done, 1_500, 'rested'))";
    const rested = await begin(source, { limits: { cpuMs: 500 } });
    const spun = errorOf(await call(SPIN, { limits: { cpuMs: 750 } }));
    assert.equal(spun.code, "function_cpu_exceeded");
    const outcome = await rested.outcome;
    // Where the busy one had to be killed, its neighbour is retried.
    if (outcome.kind === "failed") assert.equal(outcome.error.code, "executor_killed");
    else assert.equal(resultOf(outcome), "rested");
  });

  test("keys that a run has made without waiting for them end with it, or are charged to it", async (t) => {
    const { call } = startSandboxFor(t);
    const source = `export default () => {
      const rsa = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 4096, publicExponent: new Uint8Array([1, 0, 1]) };
      for (let i = 0; i < 16; i++) crypto.subtle.generateKey(rsa, true, ["sign", "verify"]).catch(() => {});
      return "left";
    }`;
    assert.equal(resultOf(await call(source, { reuse: false })), "left");
    const digest = `export default async () => (await crypto.subtle.digest("SHA-256", new Uint8Array(8))).byteLength`;
    assert.equal(resultOf(await call(digest)), 32);
  });

  test("memory is told in the author's megabytes", async (t) => {
    const { call } = startSandboxFor(t);
    const source = "export default () => { const all = []; for (;;) all.push(new Array(1e5).fill(0.5)); }";
    const error = errorOf(await call(source, { memoryMb: 32 }));
    assert.equal(error.code, "function_memory_exceeded");
    assert.equal(error.message, "The function used more than its 32 MB of memory.");
  });

  test("buffers count as memory, wherever they are made", async (t) => {
    const { call } = startSandboxFor(t);
    const codeOf = async (source: string) => errorOf(await call(source, { memoryMb: 32 }));
    const buffers = "const all = []; for (;;) all.push(new Uint8Array(1e6));";
    for (const source of [
      `export default () => { ${buffers} }`,
      `export default async () => { await null; ${buffers} }`,
      `export default () => new Promise(() => setTimeout(() => { ${buffers} }))`,
      `${buffers} export default () => 1;`,
      "export default () => { const all = []; for (;;) all.push(Buffer.alloc(1e6)); }",
      `export default () => new Response("é".repeat(30e6)).arrayBuffer();`,
    ]) {
      const { code, message, retryable } = await codeOf(source);
      assert.deepEqual(
        [code, message, retryable],
        ["function_memory_exceeded", "The function used more than its 32 MB of memory.", false],
        source,
      );
    }
    const caught = `export default () => { try { ${buffers} } catch (error) { return error.name; } }`;
    assert.equal(resultOf(await call(caught, { memoryMb: 32 })), "RangeError");
  });

  test("an isolate that found no memory for a buffer serves no other run", async (t) => {
    const { call } = startSandboxFor(t);
    const source = `const all = []; let runs = 0;
      export default (fill) => { runs++; while (fill) all.push(new Uint8Array(1e6)); return runs; };`;
    const options = { revisionId: "filled", memoryMb: 32 };
    assert.equal(resultOf(await call(source, { ...options, input: false })), 1);
    const { code, retryable } = errorOf(await call(source, { ...options, input: true }));
    assert.deepEqual(
      [code, retryable],
      ["function_memory_exceeded", true],
      "what was there may be earlier runs'",
    );
    assert.equal(resultOf(await call(source, { ...options, input: false })), 1);
  });

  test("log lines", async (t) => {
    const { begin } = startSandboxFor(t);
    const call = await begin("export default () => { for (let i = 0; i < 9; i++) console.log(i); }", {
      limits: { logLines: 3 },
    });
    resultOf(await call.outcome);
    assert.deepEqual(
      call.lines.map(({ message }) => message),
      ["0", "1", "2", "6 more log lines were dropped: this run may log 3."],
    );
  });

  test("bytes of the result, in UTF-8", async (t) => {
    const { call } = startSandboxFor(t);
    const ask = (chars: number) =>
      call("export default (n) => 'ü'.repeat(n)", { input: chars, limits: { resultBytes: 102 } });
    assert.equal(resultOf(await ask(50)), "ü".repeat(50));
    const error = errorOf(await ask(51));
    assert.equal(error.code, "result_too_large");
    assert.equal(error.message, "The result takes more than 102 bytes as JSON.");
  });
});

describe("reuse", () => {
  const COUNT = "let runs = 0; export default () => ++runs;";
  test("keeps what the module remembers from run to run", async (t) => {
    const { call } = startSandboxFor(t);
    const options = { revisionId: "counts" };
    for (const expected of [1, 2, 3]) assert.equal(resultOf(await call(COUNT, options)), expected);
  });

  test("false: every run begins anew, and leaves nothing to a run of the same revision", async (t) => {
    const { call } = startSandboxFor(t);
    const options = { revisionId: "forgets" };
    for (let i = 0; i < 3; i++) assert.equal(resultOf(await call(COUNT, { ...options, reuse: false })), 1);
    assert.equal(resultOf(await call(COUNT, options)), 1);
  });
});

describe("timers of a warm isolate", () => {
  test("that an earlier run set and cleared do not hold up a later run's", async (t) => {
    const { call } = startSandboxFor(t);
    const source = `export default async (n: number) => {
      if (n === 0) clearTimeout(setTimeout(() => {}, 50));
      else await new Promise((done) => setTimeout(done, 60));
      return n;
    }`;
    for (const input of [0, 1])
      assert.equal(resultOf(await call(source, { revisionId: "clears", input })), input);
  });
});

describe("many short runs", () => {
  test("share isolates and each get their own result", async (t) => {
    const { begin } = startSandboxFor(t);
    const source = "export default (input) => ({ input })";
    const calls = await Promise.all(
      Array.from({ length: 400 }, (_, input) =>
        begin(source, { input, revisionId: "short", wallMs: 60_000 }),
      ),
    );
    const results = await Promise.all(calls.map(async ({ outcome }) => resultOf(await outcome)));
    assert.deepEqual(
      results,
      results.map((_, input) => ({ input })),
    );
  });

  test("that begin to wait are given back and run elsewhere, once each", async (t) => {
    const { begin } = startSandboxFor(t);
    const source = `export default (input, ctx) => {
      ctx.log.info("began");
      return input < 200 ? input : new Promise((done) => setTimeout(done, 1, input));
    }`;
    const calls = await Promise.all(
      Array.from({ length: 400 }, (_, input) =>
        begin(source, { input, revisionId: "mixed", wallMs: 60_000 }),
      ),
    );
    for (const [input, { outcome, lines }] of calls.entries()) {
      assert.equal(resultOf(await outcome), input);
      assert.equal(lines.length, 1);
    }
  });

  test("given back behind one that waits begin elsewhere at once", async (t) => {
    const { begin } = startSandboxFor(t);
    const source = `export default (ms: number) => ms > 0 ? new Promise((done) => setTimeout(done, ms)) : "short"`;
    const options = { revisionId: "mostly short", wallMs: 60_000 };
    // Several at once, so that runs come to share isolates.
    for (let round = 0; round < 4; round++) {
      const calls = await Promise.all(
        Array.from({ length: 100 }, () => begin(source, { ...options, input: 0 })),
      );
      for (const { outcome } of calls) resultOf(await outcome);
    }
    const stop = new AbortController();
    const waiting = { ...options, input: 50_000, signal: stop.signal };
    const calls = [await begin(source, waiting), await begin(source, waiting)];
    const short = await Promise.all([0, 0, 0].map((input) => begin(source, { ...options, input })));
    for (const { outcome } of short) assert.equal(resultOf(await outcome), "short");
    stop.abort();
    for (const { outcome } of calls) assert.equal((await outcome).kind, "cancelled");
  });

  test("given back by an executor that is being replaced begin in the next one", async (t) => {
    const { begin } = startSandboxFor(t, { maxRunsPerExecutor: 402 });
    const source = `export default (ms: number) => ms > 0 ? new Promise((done) => setTimeout(done, ms, "waited")) : "short"`;
    const options = { revisionId: "worn", wallMs: 60_000 };
    for (let round = 0; round < 4; round++) {
      const calls = await Promise.all(
        Array.from({ length: 100 }, () => begin(source, { ...options, input: 0 })),
      );
      for (const { outcome } of calls) resultOf(await outcome);
    }
    const calls = await Promise.all([100, 0, 0, 0].map((input) => begin(source, { ...options, input })));
    const results = await Promise.all(calls.map(async ({ outcome }) => resultOf(await outcome)));
    assert.deepEqual(results, ["waited", "short", "short", "short"]);
  });

  test("beside one that does not stop: the others of its isolate run elsewhere", async (t) => {
    const { begin } = startSandboxFor(t, { killGraceMs: 30_000 });
    const source = "export default (input) => { if (input === 150) for (;;); return input; }";
    const calls = await Promise.all(
      Array.from({ length: 300 }, (_, input) =>
        begin(source, { input, revisionId: "trap", wallMs: input === 150 ? 2_000 : 60_000 }),
      ),
    );
    for (const [input, { outcome }] of calls.entries()) {
      const ended = await outcome;
      if (input === 150) assert.equal(errorOf(ended).code, "function_timeout");
      else assert.equal(resultOf(ended), input);
    }
  });
});
