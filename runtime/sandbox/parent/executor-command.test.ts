import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_SANDBOX_SETTINGS } from "../settings.ts";
import { spawnExecutor, startExecutorAhead } from "./executor-command.ts";
import { killTree } from "./holding-processes.ts";

test("an executor that was started ahead is for the first who wants one like it", (t) => {
  const spawn = (settings = DEFAULT_SANDBOX_SETTINGS) => {
    const child = spawnExecutor(settings);
    // Its whole group: walls that are being put up fork, and what they have just forked outlives them.
    t.after(() => killTree(child.pid!, child.pid!));
    return child;
  };
  startExecutorAhead();
  const other = spawn({ ...DEFAULT_SANDBOX_SETTINGS, executorHeapMb: 100 });
  const first = spawn();
  assert.ok(other.spawnargs.includes("--max-old-space-size=100"));
  assert.ok(first.pid! < other.pid!, "it began before");
  assert.notEqual(spawn().pid, first.pid, "once");
});
