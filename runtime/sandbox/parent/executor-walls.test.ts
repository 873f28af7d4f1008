/** A real executor behind its walls, seen from outside. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { childrenOf } from "../../../core/processes/process-tree.ts";
import { until } from "../../../core/store/testing/test-store.ts";
import { resultOf, startSandboxFor } from "../sandbox-fixture.ts";
import { reportWalls } from "../walls/demand-walls.ts";
import { readHostFacts } from "../walls/host-facts.ts";
import { missingWalls } from "../walls/plan.ts";
import { layOutWalls, spawnExecutor, standingWalls } from "./executor-command.ts";
import { NODE_SNAPSHOT_FLAGS } from "./node-snapshot.ts";

const isLinux = process.platform === "linux";

test("a wall that was hoped for and does not stand costs a start: then the others are found, and calls wait", async (t) => {
  if (!isLinux) return;
  const { tools } = readHostFacts().facts;
  const walls = layOutWalls({ tools: { ...tools, mount: "/bin/false" } });
  t.after(() => walls.remove());
  const hoped = walls.plan;
  const warnings: string[] = [];
  const logger = { info() {}, warn: (_: object, message: string) => void warnings.push(message) };
  const { call } = startSandboxFor(
    t,
    { spawn: (settings) => spawnExecutor(settings, walls) },
    { logger, walls },
  );
  assert.equal(walls.areKnown, false);
  assert.match(String(reportWalls(walls)), /not known yet/);
  assert.equal(resultOf(await call("export default () => 42;")), 42);
  await walls.known;
  assert.equal(walls.plan.walls.has("files"), false);
  assert.deepEqual(reportWalls(walls), { walls: [...walls.plan.walls], missing: missingWalls(walls.plan) });
  if (hoped.walls.has("files")) assert.equal(typeof walls.refusal, "string");
  assert.deepEqual(warnings, []);
});

test("an executor stands behind the walls, and two of them apart", async (t) => {
  if (!isLinux) return;
  const { call, pool } = startSandboxFor(t);
  await standingWalls().known;
  const { walls } = standingWalls().plan;
  for (const namespaceId of ["a", "b"]) {
    assert.equal(resultOf(await call("export default () => 42;", { namespaceId })), 42);
  }
  const pids = ["a", "b"].map((namespaceId) => pool.pidOf(namespaceId)!);
  const read = (pid: number, name: string) => readFileSync(`/proc/${pid}/${name}`, "utf8");
  const users = pids.map((pid) => /^Uid:\t(\d+)\t/m.exec(read(pid, "status"))![1]!);
  if (walls.has("uid")) assert.equal(new Set([...users, String(process.getuid!())]).size, 3);
  for (const pid of pids) {
    assert.equal(read(pid, "oom_score_adj").trim(), "1000");
    assert.equal(read(pid, "environ"), "");
    assert.deepEqual(childrenOf(pid), []);
    const words = read(pid, "cmdline").split("\0");
    assert.ok(words.includes("--permission"), words.join(" "));
    const isWithout = words.includes("--no-node-snapshot");
    assert.equal(isWithout, NODE_SNAPSHOT_FLAGS.length > 0, words.join(" "));
    // Its words name no folder of the host.
    if (walls.has("files")) {
      for (const word of words) assert.doesNotMatch(word, /(runtime|node_modules|tmp)\//);
    }
    // The executor is not process 1 of its namespace: it can end itself.
    if (walls.has("processes")) assert.match(read(pid, "status"), /^NSpid:\t\d+\t[2-9]\d*$/m);
  }
});

test("an executor that nothing stops ends with its worker, killed as it may be", async () => {
  if (!isLinux) return;
  const script = fileURLToPath(new URL("doomed-worker-fixture.ts", import.meta.url));
  const worker = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = (await once(worker.stdout, "data")) as [Buffer];
  const pid = Number(text);
  assert.ok(existsSync(`/proc/${pid}`));
  worker.kill("SIGKILL");
  await until(async () => (existsSync(`/proc/${pid}`) ? undefined : true));
});
