import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, it } from "node:test";
import type { FileRun } from "../run-files.ts";

const PROGRAM = join(import.meta.dirname, "..", "run-files.ts");
const FILES: Record<string, string> = {
  passes: "test('passes', () => {});",
  fails: "test('fails', () => { throw new Error('no'); });",
  dies: "process.kill(process.pid, 'SIGKILL');",
  hangs: "test('hangs', () => new Promise(() => setInterval(() => {}, 1_000)));",
  // Until nobody is left who could wait for it.
  stays: `const runner = process.ppid;
    process.on("SIGTERM", () => {});
    test("stays", () => new Promise(() => setInterval(() => process.ppid === runner || process.exit(), 10)));`,
};

const folder = await mkdtemp(join(tmpdir(), "bellhop-run-files-"));
after(() => rm(folder, { recursive: true }));
const pathOf = (name: string) => join(folder, `${name}.test.mjs`);
// What runs is told by the file itself: the runner says so only when it is over.
for (const [name, source] of Object.entries(FILES))
  await writeFile(
    pathOf(name),
    `import { test } from "node:test"; process._rawDebug("started ${name}"); ${source}`,
  );

interface Course {
  child: ChildProcess;
  /** Resolves when the file has been loaded. */
  started(name: string): Promise<void>;
  /** The status, and what was printed. */
  ended: Promise<{ status: number | null; output: string }>;
}

function start(names: string[]): Course {
  const run: FileRun = { files: names.map(pathOf), concurrency: 1, execArgv: [] };
  // With it the runner would take itself for a file of ours, and run nothing.
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(run)], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  after(() => child.kill("SIGKILL"));
  const lines: string[] = [];
  const waiting = new Map<string, () => void>();
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      waiting.get(line)?.();
    });
  return {
    child,
    started: (name) =>
      lines.includes(`started ${name}`)
        ? Promise.resolve()
        : new Promise((resolve) => waiting.set(`started ${name}`, resolve)),
    ended: once(child, "close").then(([status]) => ({ status, output: lines.join("\n") })),
  };
}

function readCounts(output: string): Record<string, number> {
  const counts = output.matchAll(/^ℹ (tests|pass|fail|cancelled) (\d+)$/gm);
  return Object.fromEntries([...counts].map(([, name, count]) => [name, Number(count)]));
}

describe("the runner of test files", { concurrency: 2 }, () => {
  it("ends with 0 where all pass", async () => {
    const { status, output } = await start(["passes"]).ended;
    assert.equal(status, 0, output);
    assert.deepEqual(readCounts(output), { tests: 1, pass: 1, fail: 0, cancelled: 0 });
  });

  it("ends with 1 where a test fails, and runs the other files", async () => {
    const { status, output } = await start(["fails", "passes"]).ended;
    assert.equal(status, 1, output);
    assert.deepEqual(readCounts(output), { tests: 2, pass: 1, fail: 1, cancelled: 0 });
    assert.match(output, /failing tests:[\s\S]*✖ fails[\s\S]*Error: no/);
  });

  it("ends with 1 where a file kills itself, and runs the other files", async () => {
    const { status, output } = await start(["dies", "passes"]).ended;
    assert.equal(status, 1, output);
    assert.deepEqual(readCounts(output), { tests: 2, pass: 1, fail: 1, cancelled: 0 });
    assert.match(output, /failing tests:[\s\S]*✖ .*dies\.test\.mjs/);
  });

  it("starts files in the order in which they are given", async () => {
    const { output } = await start(["passes", "fails", "dies"]).ended;
    assert.deepEqual(output.match(/(?<=^started ).*/gm), ["passes", "fails", "dies"]);
  });

  for (const file of ["hangs", "stays"]) {
    it(`ends with 1 at SIGTERM, and tells what ran, where a file ${file}`, async () => {
      const { child, started, ended } = start(["fails", file, "passes", "dies"]);
      await started(file);
      child.kill("SIGTERM");
      const { status, output } = await ended;
      assert.equal(status, 1, output);
      assert.deepEqual(readCounts(output), { tests: 4, pass: 0, fail: 1, cancelled: 3 });
      assert.match(output, new RegExp(`^Interrupted while running:\n⚠ ${pathOf(file)}\n`, "m"));
      assert.ok(!output.includes("started passes"), "nothing is started any more");
      const failing = output.slice(output.indexOf("failing tests:"));
      assert.deepEqual(failing.match(/(?<=✖ )\w+/g), ["fails"], "what did not run is counted only");
    });
  }
});
