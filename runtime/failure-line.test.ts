/** However a function's attempt fails, the last line of its log tells of it at level `error`. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { systemClock } from "../core/clock.ts";
import { type AttemptOutcome, failed } from "../core/domain/attempt.ts";
import { DEFAULT_FUNCTION_LIMITS } from "../core/domain/function-limits.ts";
import { LazyAbort } from "../core/lazy-abort.ts";
import { createRedactor } from "../core/secrets/redact.ts";
import { newId } from "../core/store/ids.ts";
import type { AttemptLogLine, FinishedAttempt } from "../core/store/runs/finish.ts";
import { buildRevision } from "../functions/build/build-revision.ts";
import { runAttempt } from "./attempt.ts";
import { AttemptStop } from "./attempt-stop.ts";
import { asCut } from "./direct/cut-call.ts";
import { withFailureLine } from "./failure-line.ts";
import { createFunctionRunner } from "./runners/function.ts";
import { createRevisionCache } from "./runners/revision-cache.ts";
import type { TaskRunner } from "./runners/task-runner.ts";
import { createSandbox } from "./sandbox/sandbox.ts";
import { claimedRun, finishedAttempt } from "./testing/claimed-run.ts";

const sandbox = createSandbox();
after(() => sandbox.close());

const SECRET = "s3cr3t-token";
const never: TaskRunner = () => assert.fail("another type's runner");

/** An attempt of a function with this source, run in the sandbox. */
async function attemptOf(source: string, limits: object = {}, timeoutMs = 60_000): Promise<FinishedAttempt> {
  const { code, sourceMap } = await buildRevision({ files: { "index.ts": source }, entry: "index.ts" });
  const redactor = createRedactor([["TOKEN", SECRET]]);
  const runner = createFunctionRunner({
    sandbox,
    caps: { ...DEFAULT_FUNCTION_LIMITS, concurrency: 10 },
    envs: {
      find: async () => ({ functionId: "f", env: { TOKEN: SECRET }, redactor }),
      recall: () => undefined,
    },
    onLoadError: (error) => assert.fail(error as Error),
    clock: systemClock,
    revisions: createRevisionCache(async () => ({ code, limits, reuse: true })),
    loadSourceMap: async () => sourceMap,
  });
  const attempt = await runAttempt(
    functionRun(timeoutMs),
    { http: never, email: never, function: runner },
    new LazyAbort(),
    newId(),
    systemClock,
  );
  return attempt as FinishedAttempt;
}

function functionRun(timeoutMs = 60_000) {
  return claimedRun({
    spec: { type: "function", function: "greet", input: null },
    functionId: newId(),
    revisionId: newId(),
    timeoutMs,
  });
}

const toldOf = (lines: AttemptLogLine[]) =>
  lines.map(({ level, message, fields }) => ({ level, message, fields }));

const WAYS: { way: string; source: string; limits?: object; code: string; message: RegExp }[] = [
  {
    way: "that throws",
    source: `function charge(): never { throw new TypeError("no money"); }
export default () => charge();`,
    code: "function_error",
    message: /^TypeError: no money\n {4}at charge \(index\.ts:1:\d+\)\n {4}at default \(index\.ts:2:\d+\)$/,
  },
  {
    way: "that rejects, with a code and a cause",
    source: `export default async () => {
  const cause = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  throw Object.assign(new Error("not saved", { cause }), { code: "E_SAVE" });
};`,
    code: "function_error",
    message:
      /^Error: not saved \(E_SAVE\)\n {4}at default \(index\.ts:3:\d+\)\nCaused by: Error: refused \(ECONNREFUSED\)\n {4}at default \(index\.ts:2:\d+\)$/,
  },
  {
    way: "that throws what is no error",
    source: `export default () => { throw { status: 500 }; };`,
    code: "function_error",
    message: /^Error: \{"status":500\}$/,
  },
  {
    way: "whose module throws",
    source: `throw new Error("at the top"); export default () => 1;`,
    code: "function_error",
    message: /^Error: at the top\n {4}at index\.ts:1:/,
  },
  {
    way: "that throws from a timer",
    source: `export default () => new Promise(() => setTimeout(() => { throw new Error("late"); }, 1));`,
    code: "function_error",
    message: /^Error: late\n/,
  },
  {
    way: "that takes too long",
    source: `export default () => new Promise(() => {});`,
    limits: { wallMs: 200 },
    code: "function_timeout",
    message: /^The function did not finish within its 200 ms\.$/,
  },
  {
    way: "that takes too much processor time",
    source: `export default () => { for (;;); };`,
    limits: { cpuMs: 100 },
    code: "function_cpu_exceeded",
    message: /^The function used more than its 100 ms of processor time\.$/,
  },
  {
    way: "that takes too much memory",
    source: `export default () => { const all = []; for (;;) all.push(new Array(10_000).fill(0)); };`,
    limits: { memoryMb: 16 },
    code: "function_memory_exceeded",
    message: /^The function used more than its 16 MB of memory\.$/,
  },
  {
    way: "whose result is not JSON",
    source: `export default () => 1n;`,
    code: "result_not_json",
    message: /^The result is not JSON: /,
  },
  {
    way: "whose result is too large",
    source: `export default () => "x".repeat(2_000);`,
    limits: { resultBytes: 1_000 },
    code: "result_too_large",
    message: /^The result takes more than 1000 bytes as JSON\.$/,
  },
  {
    way: "of an unsupported shape",
    source: `export default "nothing to call";`,
    code: "unsupported_shape",
    message: /^The default export, or module.exports, must be a function/,
  },
];

for (const { way, source, limits, code, message } of WAYS) {
  test(`a function ${way} leaves a line that tells`, async () => {
    const { logs, record } = await attemptOf(source, limits);
    assert.equal(record.error?.code, code);
    assert.equal(logs.length, 1);
    const { level, message: text, fields } = logs[0]!;
    assert.equal(level, "error");
    assert.deepEqual(fields, { code });
    assert.match(text, message);
  });
}

test("the line stands behind all others, also where a function has logged as much as it may", async () => {
  const source = `export default () => { for (let i = 0; i < 10; i++) console.log(i); throw new Error("x"); };`;
  const { logs } = await attemptOf(source, { logLines: 3 });
  assert.equal(logs.length, 5);
  assert.match(logs[4]!.message, /^Error: x\n/);
});

test("the line holds no secret", async () => {
  const source = `export default (_: unknown, ctx: any) => {
    throw new Error(\`with \${ctx.env.TOKEN}\`, { cause: new Error(ctx.env.TOKEN) });
  };`;
  const { logs, record } = await attemptOf(source);
  assert.match(logs[0]!.message, /^Error: with \[/);
  assert.ok(!JSON.stringify({ logs, record }).includes(SECRET));
});

test("a function that succeeds, and one that is cancelled, leave none", async () => {
  assert.deepEqual((await attemptOf(`export default () => 1;`)).logs, []);
  const stop = new LazyAbort();
  stop.abort(new AttemptStop("cancelled"));
  const runner: TaskRunner = async () => failed("function_error", "stopped", { retryable: true });
  const runners = { http: never, email: never, function: runner };
  const attempt = await runAttempt(functionRun(), runners, stop, newId(), systemClock);
  assert.deepEqual(attempt!.logs, []);
});

test("an attempt that is stopped from outside, or whose caller was cut off, tells why", async () => {
  const stop = new LazyAbort();
  stop.abort(new AttemptStop("shutdown"));
  const runner: TaskRunner = async (): Promise<AttemptOutcome> => ({ kind: "cancelled" });
  const runners = { http: never, email: never, function: runner };
  const attempt = await runAttempt(functionRun(), runners, stop, newId(), systemClock);
  assert.deepEqual(toldOf(attempt!.logs), [
    { level: "error", message: attempt!.record.error!.message, fields: { code: "worker_stopped" } },
  ]);
  const cut = asCut(finishedAttempt({ type: "function" }), "response_not_taken");
  assert.deepEqual(toldOf(cut.logs), [
    { level: "error", message: cut.record.error!.message, fields: { code: "response_not_taken" } },
  ]);
});

test("a rejection that was handled too late, and that the run failed of, is told once", async () => {
  const source = `const save = async () => { throw new Error("x"); };
export default async () => {
  const saved = save();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await saved;
};`;
  const { logs } = await attemptOf(source);
  assert.deepEqual(
    logs.map(({ message }) => message.split("\n")[0]),
    ["Error: x"],
  );
});

test("another rejection than the one that the run failed of is told beside it", async () => {
  const source = `const save = async () => { throw new Error("x"); };
export default async () => {
  save();
  await new Promise((resolve) => setTimeout(resolve, 5));
  throw new Error("y");
};`;
  const { logs } = await attemptOf(source);
  assert.deepEqual(
    logs.map(({ message }) => message.split("\n")[0]),
    ["Unhandled rejection: Error: x", "Error: y"],
  );
});

test("the line is cut to what a line may hold", () => {
  const causes = Array.from({ length: 8 }, () => ({ name: "Error", message: "é".repeat(2_000), stack: "" }));
  const error = { code: "function_error", message: "x", details: { name: "Error", stack: "", causes } };
  const [line] = withFailureLine([], error, new Date(0));
  assert.ok(Buffer.byteLength(line!.message) <= 8_192);
  assert.ok(line!.message.endsWith("é…"));
});
