import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { assumeExecutorCode, layOutWalls, spawnExecutor } from "../sandbox/parent/executor-command.ts";
import { killTree } from "../sandbox/parent/holding-processes.ts";
import { resultOf, startSandboxFor } from "../sandbox/sandbox-fixture.ts";
import { DEFAULT_SANDBOX_SETTINGS } from "../sandbox/settings.ts";
import { rehearseExecutor } from "./rehearse-executor.ts";

const folder = mkdtempSync(join(tmpdir(), "bellhop-rehearse-executor-"));
after(() => rmSync(folder, { recursive: true }));

const MARK = "marked-in-the-environment";
process.env["BELLHOP_SECRETS_KEY"] = MARK;
const code = await rehearseExecutor(folder);

/** Walls with that code laid out behind them, whose executors start with it. */
async function layOutWith(t: TestContext, path: string) {
  assumeExecutorCode(path);
  const walls = layOutWalls();
  t.after(() => walls.remove());
  await walls.tryOut();
  return walls;
}

/** What an executor says on stderr until it has run a function. */
async function hear(t: TestContext, path: string): Promise<string> {
  const walls = await layOutWith(t, path);
  let said = "";
  const spawn = (settings: typeof DEFAULT_SANDBOX_SETTINGS) => {
    const child = spawnExecutor(settings, walls);
    child.stderr!.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    return child;
  };
  const { call } = startSandboxFor(t, { spawn, spareExecutors: 0 }, { walls });
  assert.equal(resultOf(await call("export default () => 42;")), 42);
  return said;
}

test("an executor starts with the code that a rehearsed one has left, and V8 takes it", async (t) => {
  assert.equal(await hear(t, code), "");
  const child = spawnExecutor(DEFAULT_SANDBOX_SETTINGS, await layOutWith(t, code));
  t.after(() => killTree(child.pid!, child.pid!));
  await once(child.stdio[3] as Socket, "data");
  assert.ok(child.spawnargs.some((word) => word.endsWith("executor.code")));
});

test("where V8 refuses it the executor starts all the same", async (t) => {
  const alien = join(folder, "alien.code");
  writeFileSync(alien, Buffer.alloc(10_000, "of another V8"));
  assert.match(await hear(t, alien), /^V8 refused the executor's compiled code\n$/);
});

test("where it was cleared away executors start without it", async (t) => {
  const walls = await layOutWith(t, join(folder, "gone.code"));
  assert.equal(walls.holds("executor.code"), false);
  assert.equal(await hear(t, join(folder, "gone.code")), "");
});

test("it holds no value of the process that made it, of the functions that it ran, or of this host", () => {
  const kept = readFileSync(code);
  for (const value of [MARK, folder, process.cwd(), "rehearsed", "/short", "localhost"])
    for (const encoding of ["latin1", "utf16le"] as const)
      assert.equal(kept.indexOf(Buffer.from(value, encoding)), -1, value);
});
