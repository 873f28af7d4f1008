/** The compiler's process: whose fault it is that a build ends early, and who is told what. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { platform } from "node:os";
import { after, describe, type TestContext, test } from "node:test";
import { BellhopError } from "../../core/errors.ts";
import { childrenOf } from "../../core/processes/process-tree.ts";
import { buildRevision } from "./build-revision.ts";
import { stopCompiler } from "./compiler.ts";
import { type CompiledScript, type CompileJob, MAX_BUNDLE_BYTES } from "./compiler-messages.ts";
import {
  COMPILER_LIMITS,
  type CompileOutcome,
  type CompilerLimits,
  CompilerProcess,
  judgeUse,
} from "./compiler-process.ts";

after(stopCompiler);

/** As much source as an upload may hold. */
const LARGE = `export default () => 0;\n${Array.from({ length: 15_000 }, (_, i) => `export const value${i}: number[] = [${i}, ${i}];`).join("\n")}`;
const OUT_OF_MEMORY = { kind: "exhausted", of: "memory" };
const OUT_OF_TIME = { kind: "exhausted", of: "processor" };
const job = (source: string): CompileJob => ({ files: [["index.ts", source]], entry: "index.ts" });
const upload = (source: string) => buildRevision({ files: { "index.ts": source }, entry: "index.ts" });

function startCompiler(t: { after(end: () => void): void }, limits: Partial<CompilerLimits> = {}) {
  const compiler = new CompilerProcess({ ...COMPILER_LIMITS, ...limits });
  t.after(() => compiler.stop());
  return compiler;
}

describe("a compiler's process", () => {
  test("builds one source after another", async (t) => {
    const compiler = startCompiler(t);
    for (const source of [LARGE, "export default () => 7;"]) {
      const outcome = await compiler.build(job(source));
      assert.ok(outcome.kind === "built", outcome.kind);
      assert.ok(outcome.script.exports.includes("default"));
    }
  });

  test("keeps a script that is too long to itself", async (t) => {
    const compiler = startCompiler(t, { processorMs: 100_000 });
    const swelling = { files: [["index.tsx", `export default () => [${"<a/>,".repeat(210_000)}];`]] };
    const outcome = await compiler.build({ ...swelling, entry: "index.tsx" } as CompileJob);
    assert.ok(outcome.kind === "tooLarge", outcome.kind);
    assert.ok(outcome.bytes > MAX_BUNDLE_BYTES);
    assert.equal((await compiler.build(job("export default () => 7;"))).kind, "built");
  });

  test("that is killed in the middle interrupts its build", async (t) => {
    const compiler = startCompiler(t);
    const building = compiler.build(job(LARGE));
    process.kill(compiler.pid!, "SIGKILL");
    assert.deepEqual(await building, { kind: "interrupted" });
    assert.equal(compiler.isGone, true);
    assert.deepEqual(await compiler.build(job("export default 1")), { kind: "interrupted" });
  });

  test("that is gone is signalled no more: its number may be another's by now", async (t) => {
    const compiler = startCompiler(t);
    const building = compiler.build(job(LARGE));
    process.kill(compiler.pid!, "SIGKILL");
    await building;
    const kill = t.mock.method(process, "kill", () => true);
    compiler.stop();
    assert.equal(kill.mock.callCount(), 0);
  });

  test("whose esbuild is killed in the middle interrupts its build", {
    skip: platform() === "linux" ? false : "esbuild's process is found on Linux alone",
  }, async (t) => {
    const compiler = startCompiler(t);
    await compiler.build(job("export default 1"));
    const [esbuild] = childrenOf(compiler.pid!);
    const building = compiler.build(job(LARGE));
    process.kill(esbuild!, "SIGKILL");
    assert.deepEqual(await building, { kind: "interrupted" });
  });

  test("is interrupted where a build waits longer than anybody would", async (t) => {
    const compiler = startCompiler(t, { wallMs: 0 });
    assert.deepEqual(await compiler.build(job(LARGE)), { kind: "interrupted" });
  });

  test("is exhausted by a source that takes more processor time, or memory, than any may", {
    skip: platform() === "linux" ? false : "what a process uses is told on Linux alone",
  }, async (t) => {
    assert.deepEqual(await startCompiler(t, { processorMs: 0 }).build(job(LARGE)), OUT_OF_TIME);
    assert.deepEqual(await startCompiler(t, { memoryBytes: 30_000_000 }).build(job(LARGE)), OUT_OF_MEMORY);
  });

  test("is exhausted by packages that take more memory at the end of their fetch, before it waits for a turn", {
    skip: platform() === "linux" ? false : "what a process uses is told on Linux alone",
  }, async (t) => {
    // It is never looked at in between.
    t.mock.timers.enable({ apis: ["setInterval"] });
    const fetching = { ...job("export default 1"), packages: [] };
    assert.equal(await startCompiler(t).fetch(fetching), "fetched");
    assert.deepEqual(await startCompiler(t, { bothBytes: 1 }).fetch(fetching), OUT_OF_MEMORY);
  });

  test("is exhausted by a source with computed imports that takes more memory to be read", async (t) => {
    const compiler = new CompilerProcess(COMPILER_LIMITS, 40);
    t.after(() => compiler.stop());
    const source = `export default (n) => import("./" + n);\n${"a;".repeat(300_000)}`;
    assert.deepEqual(await compiler.build(job(source)), OUT_OF_MEMORY);
  });

  test("holds nothing of what the API knows", {
    skip: platform() === "linux" ? false : "another process's environment is read on Linux alone",
  }, async (t) => {
    process.env["BELLHOP_SECRETS_KEY"] = "not-for-the-compiler";
    t.after(() => delete process.env["BELLHOP_SECRETS_KEY"]);
    const compiler = startCompiler(t);
    await compiler.build(job("export default 1"));
    for (const pid of [compiler.pid!, ...childrenOf(compiler.pid!)]) {
      assert.ok(!readFileSync(`/proc/${pid}/environ`, "utf8").includes("not-for-the-compiler"));
    }
  });
});

test("a build is judged by its own work; time alone says nothing of its source", () => {
  const limits = { memoryBytes: 100, bothBytes: 150, processorMs: 10, wallMs: 60 };
  const within = { memoryBytes: 100, bothBytes: 150, processorMs: 10, wallMs: 60 };
  assert.equal(judgeUse(within, limits), undefined);
  assert.deepEqual(judgeUse({ ...within, wallMs: 61 }, limits), { kind: "interrupted" });
  assert.deepEqual(judgeUse({ ...within, processorMs: 11, wallMs: 61 }, limits), OUT_OF_TIME);
  assert.deepEqual(judgeUse({ ...within, memoryBytes: 101 }, limits), OUT_OF_MEMORY);
  assert.deepEqual(judgeUse({ ...within, bothBytes: 151 }, limits), OUT_OF_MEMORY);
});

test("an upload whose compiler goes is told to come again, and the next one builds", async () => {
  const building = upload(LARGE);
  stopCompiler();
  await assert.rejects(building, (error) => {
    assert.ok(error instanceof BellhopError);
    const { code, status, retryAfterSeconds } = error;
    assert.deepEqual([code, status, retryAfterSeconds], ["build_interrupted", 503, 5]);
    return true;
  });
  assert.ok((await upload(LARGE)).code.includes("value14999"));
});

describe("an upload for which a compiler has too little memory", () => {
  /** Each build of the outcomes by the process that is asked next. */
  function stubBuilds(t: TestContext, outcomes: CompileOutcome[]) {
    const asked: CompilerProcess[] = [];
    t.mock.method(CompilerProcess.prototype, "build", async function (this: CompilerProcess) {
      asked.push(this);
      return outcomes.shift()!;
    });
    return asked;
  }
  const script: CompiledScript = { code: "", map: "", exports: ["default"], isCommonJs: false };
  const outOfMemory: CompileOutcome = { kind: "exhausted", of: "memory" };

  test("is built by a new one where that may hold what the uploads before have left", async (t) => {
    stopCompiler();
    await upload("export default 1;");
    const asked = stubBuilds(t, [outOfMemory, { kind: "built", script }]);
    assert.equal((await upload("export default 2;")).code, "");
    assert.equal(asked.length, 2);
    assert.notEqual(asked[0], asked[1]);
  });

  test("is refused where it was the first, and where a new one has too little as well", async (t) => {
    for (const isFirst of [true, false]) {
      stopCompiler();
      if (!isFirst) await upload("export default 1;");
      const asked = stubBuilds(t, [outOfMemory, outOfMemory]);
      await assert.rejects(upload("export default 2;"), { code: "build_failed" });
      assert.equal(asked.length, isFirst ? 1 : 2);
      t.mock.restoreAll();
    }
  });

  test("is refused at once where it was its processor time", async (t) => {
    stopCompiler();
    await upload("export default 1;");
    const asked = stubBuilds(t, [{ kind: "exhausted", of: "processor" }]);
    await assert.rejects(upload("export default 2;"), { code: "build_failed" });
    assert.equal(asked.length, 1);
  });
});
