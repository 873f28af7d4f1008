import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { prepareGuestSnapshot } from "../../functions/guest/build/guest-snapshot.ts";
import {
  assumeExecutorBundle,
  type CompiledCode,
  type ExecutorBundle,
  readExecutorBundle,
  sha256Of,
} from "../sandbox/parent/executor-bundle.ts";
import { layOutWalls, spawnExecutor } from "../sandbox/parent/executor-command.ts";
import { killTree } from "../sandbox/parent/holding-processes.ts";
import { resultOf, startSandboxFor } from "../sandbox/sandbox-fixture.ts";
import { DEFAULT_SANDBOX_SETTINGS } from "../sandbox/settings.ts";
import { rehearseExecutor } from "./rehearse-executor.ts";

const folder = mkdtempSync(join(tmpdir(), "bellhop-rehearse-executor-"));
after(() => rmSync(folder, { recursive: true }));

const MARK = "marked-in-the-environment";
process.env["BELLHOP_SECRETS_KEY"] = MARK;
const bundle = readExecutorBundle();
const guestSnapshot = await prepareGuestSnapshot();
const rehearsed = await rehearseExecutor(folder, { bundle, guestSnapshot });
const code = rehearsed.code!;

/** Walls with that bundle laid out behind them. */
async function layOutWith(t: TestContext, assumed: ExecutorBundle) {
  assumeExecutorBundle(assumed);
  const walls = layOutWalls();
  t.after(() => walls.remove());
  await walls.tryOut();
  return walls;
}

/** What is warned of, and said on stderr, until two executors have run a function each. */
async function hear(t: TestContext, assumed: ExecutorBundle) {
  const walls = await layOutWith(t, assumed);
  const heard = { stderr: "", warnings: [] as string[] };
  const spawn = (settings: typeof DEFAULT_SANDBOX_SETTINGS) => {
    const child = spawnExecutor(settings, walls);
    child.stderr!.on("data", (chunk: Buffer) => {
      heard.stderr += chunk.toString();
    });
    return child;
  };
  const logger = { info() {}, warn: (_: object, message: string) => void heard.warnings.push(message) };
  const { call, pool } = startSandboxFor(t, { spawn, spareExecutors: 0 }, { walls, logger });
  for (const namespaceId of ["one", "other"])
    assert.equal(resultOf(await call("export default () => 42;", { namespaceId })), 42);
  // All that they said has been read then. What holds them says that they were killed.
  await pool.close();
  return { ...heard, stderr: heard.stderr.replaceAll(/^unshare: .*\n/gm, "") };
}

/** A file beside it with other bytes, as if they were what was kept. */
function keepAs(name: string, bytes: Buffer): CompiledCode {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return { path, sha256: sha256Of(bytes) };
}

test("an executor starts with the code that a rehearsed one has left, and V8 takes it", async (t) => {
  assert.deepEqual(await hear(t, rehearsed), { stderr: "", warnings: [] });
  const child = spawnExecutor(DEFAULT_SANDBOX_SETTINGS, await layOutWith(t, rehearsed));
  t.after(() => killTree(child.pid!, child.pid!));
  await once(child.stdio[3] as Socket, "data");
  assert.ok(child.spawnargs.some((word) => word.endsWith("executor.code")));
  assert.deepEqual(readdirSync(folder), ["executor.code"], "nothing else is left");
});

test("where V8 refuses it executors start all the same, and the worker says so once", async (t) => {
  const alien = keepAs("alien.code", Buffer.alloc(10_000, "of another V8"));
  const { stderr, warnings } = await hear(t, { ...bundle, code: alien });
  assert.equal(stderr, "V8 refused the executor's compiled code\n".repeat(2));
  assert.deepEqual(warnings, ["V8 refused the executor's compiled code: executors start slower without it"]);
});

test("where it was cleared away, or is not what was kept, executors start without it", async (t) => {
  const torn = readFileSync(code.path);
  torn.fill(0, torn.length - 4_096);
  for (const other of [join(folder, "gone.code"), keepAs("torn.code", torn).path]) {
    const assumed = { ...bundle, code: { ...code, path: other } };
    assert.equal((await layOutWith(t, assumed)).holds("executor.code"), false);
    assert.deepEqual(await hear(t, assumed), { stderr: "", warnings: [] });
  }
});

test("it holds no value of the process that made it, of the functions that it ran, or of this host", () => {
  const kept = readFileSync(code.path);
  for (const value of [MARK, folder, process.cwd(), "rehearsed", "/short", "localhost"])
    for (const encoding of ["latin1", "utf16le"] as const)
      assert.equal(kept.indexOf(Buffer.from(value, encoding)), -1, value);
});

/** A folder of its own, and a rehearsal there of another program, which first notes that it runs. */
function rehearseIn(t: TestContext, text: string, signal?: AbortSignal, timeoutMs?: number) {
  const own = mkdtempSync(join(tmpdir(), "bellhop-rehearse-executor-"));
  t.after(() => rmSync(own, { recursive: true }));
  const notes = join(own, "pids");
  const program = `require("node:fs").appendFileSync(${JSON.stringify(notes)}, process.pid + "\\n");${text}`;
  const pids = () => readFileSync(notes, "utf8").trim().split("\n").map(Number);
  return {
    own,
    notes,
    pids,
    kept: rehearseExecutor(own, { bundle: { ...bundle, program }, guestSnapshot }, signal, timeoutMs),
  };
}

test("one that fails says why, and is not tried again", async (t) => {
  const { own, pids, kept } = rehearseIn(t, 'process.stderr.write("no such luck\\n"); process.exit(3);');
  await assert.rejects(kept, /the rehearsal of an executor.*no such luck$/);
  assert.equal(pids().length, 1);
  assert.deepEqual(readdirSync(own), ["pids"]);
});

test("one that is killed says so", async (t) => {
  const { kept } = rehearseIn(t, 'process.kill(process.pid, "SIGKILL");');
  await assert.rejects(kept, /it ended with SIGKILL$/);
});

test("one that is stopped leaves no process and no file", async (t) => {
  const stop = new AbortController();
  const { own, notes, pids, kept } = rehearseIn(t, "setInterval(() => {}, 1e6);", stop.signal);
  const watcher = watch(own, () => {
    if (existsSync(notes) && readFileSync(notes, "utf8") !== "") stop.abort(new Error("enough"));
  });
  t.after(() => watcher.close());
  await assert.rejects(kept, /^Error: enough$/);
  const [pid = 0, ...others] = pids();
  assert.deepEqual(others, []);
  assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  assert.deepEqual(readdirSync(own), ["pids"]);
  const late = rehearseIn(t, "", stop.signal);
  await assert.rejects(late.kept, /^Error: enough$/);
  assert.equal(existsSync(late.notes), false);
});

test("one that takes too long is stopped", async (t) => {
  const { kept } = rehearseIn(t, "setInterval(() => {}, 1e6);", undefined, 1);
  await assert.rejects(kept, /^Error: the rehearsal of an executor took more than 1 ms$/);
});
