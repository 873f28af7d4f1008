import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../core/clock.ts";
import { DEFAULT_FUNCTION_LIMITS } from "../../core/domain/function-limits.ts";
import { NOTHING_TO_REDACT } from "../../core/secrets/redact.ts";
import type { AttemptLogLine } from "../../core/store/runs/finish.ts";
import { NO_SPAN } from "../../core/telemetry/tracing.ts";
import { buildRevision } from "../../functions/build/build-revision.ts";
import { createSandbox } from "../sandbox/sandbox.ts";
import { claimedRun } from "../testing/claimed-run.ts";
import { createStackMapper } from "./author-stack.ts";
import { createFunctionRunner } from "./function.ts";
import { createRevisionCache } from "./revision-cache.ts";
import type { AttemptContext } from "./task-runner.ts";

const CAPS = { ...DEFAULT_FUNCTION_LIMITS, concurrency: 10 };

/** What a run of these files says, and how it ends. */
async function runOf(files: Record<string, string>) {
  const { code, sourceMap } = await buildRevision({ files, entry: "index.ts" });
  const sandbox = createSandbox();
  try {
    const runner = createFunctionRunner({
      sandbox,
      caps: CAPS,
      envs: {
        find: async () => ({ functionId: "f", env: {}, redactor: NOTHING_TO_REDACT }),
        recall: () => undefined,
      },
      onLoadError: (error) => assert.fail(error as Error),
      clock: systemClock,
      revisions: createRevisionCache(async () => ({ code, limits: {}, reuse: true })),
      loadSourceMap: async () => sourceMap,
    });
    const run = claimedRun({
      spec: { type: "function", function: "greet", input: null },
      functionId: "function-1",
      revisionId: "revision-1",
    });
    const signal = new AbortController().signal;
    const lines: AttemptLogLine[] = [];
    const log: AttemptContext["log"] = (level, message, fields, at = new Date()) => {
      const line = { level, message, fields, at };
      lines.push(line);
      return line;
    };
    const deadlineAt = new Date(Date.now() + 10_000);
    const outcome = await runner(run, { signal, deadlineAt, span: NO_SPAN, log });
    return { outcome, lines };
  } finally {
    await sandbox.close();
  }
}

/** The stack of a run of these files that fails. */
async function stackOf(files: Record<string, string>): Promise<string> {
  const { outcome } = await runOf(files);
  assert.ok(outcome.kind === "failed", JSON.stringify(outcome));
  return (outcome.error.details as { stack: string }).stack;
}

test("a stack names the author's files, lines and columns", async () => {
  const stack = await stackOf({
    "index.ts":
      'import { charge } from "./lib/billing.ts";\n\ninterface Input {\n  name: string;\n}\nexport default function handler(input: Input) {\n  return charge(input);\n}\n',
    "lib/billing.ts":
      'type Amount = number;\n\nexport function charge(_input: unknown): Amount {\n  throw new Error("no money");\n}\n',
  });
  assert.match(stack, /at charge \(lib\/billing\.ts:4:9\)/);
  assert.match(stack, /at handler \(index\.ts:7:10\)/);
  assert.ok(!stack.includes("function.js"), stack);
});

test("so do stacks that are logged, in messages and fields, without the frames around them", async () => {
  const { lines } = await runOf({
    "index.ts": `interface Input { name: string }
import type { Context } from "bellhop";
export default function handler(_input: Input, ctx: Context) {
  console.error("failed", new TypeError("in console"));
  ctx.log.error("failed", { errors: [new Error("in fields")] });
  ctx.log.warn("plain", { n: 1 });
}
`,
  });
  assert.equal(
    lines.map(({ message }) => message).join("\n"),
    ["failed TypeError: in console\n    at handler (index.ts:4:27)", "failed", "plain"].join("\n"),
  );
  const [error] = lines[1]!.fields!["errors"] as [{ stack: string }];
  assert.equal(error.stack, "Error: in fields\n    at handler (index.ts:5:38)");
  assert.deepEqual(lines[2]!.fields, { n: 1 });
});

test("so does one of a script that fails while it is loaded", async () => {
  const stack = await stackOf({
    "index.ts": 'type A = 1;\nconst settings: string = JSON.parse("{");\nexport default () => settings;\n',
  });
  assert.match(stack, /index\.ts:2:31/);
});

test("without a map, or where it cannot be had, a stack stays as it is", async () => {
  const stack = "at handler (function.js:3:9)";
  const [none, away] = [async () => undefined, () => Promise.reject(new Error("the database is away"))];
  assert.equal(await createStackMapper(none).stack("revision-1", stack), stack);
  assert.equal(await createStackMapper(away).stack("revision-1", stack), stack);
});

test("a map is loaded once, and only for stacks that need it", async () => {
  let loads = 0;
  const { sourceMap } = await buildRevision({
    files: { "index.ts": "export default () => 1;" },
    entry: "index.ts",
  });
  const mapper = createStackMapper(async () => {
    loads += 1;
    return sourceMap;
  });
  await mapper.stack("revision-1", "at elsewhere (native)");
  assert.equal(loads, 0);
  for (const line of [1, 99_999]) await mapper.stack("revision-1", `at f (function.js:${line}:1)`);
  assert.equal(loads, 1);
});

test("frames of what the build adds are left out, of async functions written out and of what awaits at the top", async () => {
  const written = await stackOf({
    "index.ts":
      'import { AsyncLocalStorage } from "node:async_hooks";\nnew AsyncLocalStorage();\nasync function g() {\n  await 1;\n  throw new Error("bad");\n}\nexport default () => g();\n',
  });
  assert.match(written, /^at (?:g \()?index\.ts:5:9\)?$/);
  const awaiting = await stackOf({
    "index.ts": 'await Promise.reject(new Error("bad"));\nexport default () => 1;\n',
  });
  assert.match(awaiting, /^at (?:async )?index\.ts:1:22$/);
});

test("a stack within JSON, as loggers write it, has the author's lines and no others", async () => {
  const { lines } = await runOf({
    "index.ts":
      'function deep() {\n  return new Error("bad");\n}\nexport default () => {\n  console.log(JSON.stringify({ stack: deep().stack, level: 50 }));\n};\n',
  });
  const { stack, level } = JSON.parse(lines[0]!.message) as { stack: string; level: number };
  const frames = stack.split("\n").map((frame) => frame.trim());
  assert.deepEqual(frames, ["Error: bad", "at deep (index.ts:2:10)", "at default (index.ts:5:39)"]);
  assert.equal(level, 50);
});
