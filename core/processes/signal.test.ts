import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { childrenOf } from "./process-tree.ts";
import { signalProcess, signalTree } from "./signal.ts";

const WAITS = "setInterval(() => {}, 1_000)";

test("a process that is gone is signalled no more, and that is no error", async () => {
  const child = spawn(process.execPath, ["-e", ""], { stdio: "ignore" });
  await once(child, "exit");
  assert.equal(signalProcess(child.pid!, "SIGCONT"), false);
  signalTree(child.pid!, "SIGCONT");
});

test("a process that is there gets its signal", async () => {
  const child = spawn(process.execPath, ["-e", WAITS], { stdio: "ignore" });
  assert.equal(signalProcess(child.pid!, "SIGKILL"), true);
  assert.deepEqual(await once(child, "exit"), [null, "SIGKILL"]);
});

test("a tree gets it whole", {
  skip: process.platform !== "linux" && "trees are seen on Linux alone",
}, async () => {
  const script = `const { spawn } = require("node:child_process");
    spawn(process.execPath, ["-e", ${JSON.stringify(WAITS)}], { stdio: "inherit" });
    process.stdout.write("spawned");`;
  const parent = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] });
  await once(parent.stdout, "data");
  assert.equal(childrenOf(parent.pid!).length, 1);
  signalTree(parent.pid!, "SIGKILL");
  // Its output closes once both are gone.
  await once(parent, "close");
  assert.deepEqual([parent.exitCode, parent.signalCode], [null, "SIGKILL"]);
});

test("a signal that nobody knows is an error", () => {
  assert.throws(() => signalProcess(process.pid, "SIGNONE" as NodeJS.Signals), {
    code: "ERR_UNKNOWN_SIGNAL",
  });
});
