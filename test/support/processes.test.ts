import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, watch } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { startProcess } from "./processes.ts";

const ROLE = "test/support/fixtures/role.ts";

test("a process gets exactly its environment, its lines are read, and it stops", async () => {
  const role = startProcess(ROLE, { env: { SETTING: "1" }, args: ["--word"] });
  await role.waitForLine(/"started"/);
  await role.waitForLine((line) => line === "plain words");
  assert.deepEqual(role.logs, [{ msg: "started", args: ["--word"], env: { SETTING: "1" }, hasPath: true }]);
  await role.stop();
  await role.stop();
  assert.deepEqual(await role.exited, { code: 0, signal: null });
  assert.deepEqual(role.logs.at(-1), { msg: "stopped" });
});

test("waiting for a line ends with the process, and shows its last lines", async () => {
  const role = startProcess(ROLE);
  await role.waitForLine(/"started"/);
  const waiting = assert.rejects(role.waitForLine(/never/), /ended \(SIGKILL\).*plain words/s);
  role.signal("SIGKILL");
  await waiting;
  assert.equal((await role.exited).signal, "SIGKILL");
});

test("a frozen process can be stopped", async () => {
  const role = startProcess(ROLE);
  await role.waitForLine(/"started"/);
  role.signal("SIGSTOP");
  await role.stop();
  assert.equal((await role.exited).code, 0);
});

test("what a killed test process leaves behind ends and is cleared away", async (t) => {
  const temp = await mkdtemp(join(tmpdir(), "bellhop-left-"));
  t.after(() => rm(temp, { recursive: true, force: true }));
  const fixture = join(import.meta.dirname, "fixtures", "leaves-all-behind.ts");
  const { TEST_DATABASE_URL: _url, NODE_TEST_CONTEXT: _context, ...env } = process.env;
  const child = spawn(process.execPath, [fixture], {
    env: { ...env, TMPDIR: temp },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout });
  let left: { url: string; pid: number } | undefined;
  for await (const line of lines) {
    if (!line.startsWith("{")) continue;
    left = JSON.parse(line);
    break;
  }
  const [folder, ...others] = readdirSync(temp);
  assert.deepEqual(others, [], "the server has one folder");
  assert.match(folder!, new RegExp(`^bellhop-test-\\d+-${child.pid}-`), "a later run can tell whose it was");
  // The open session ends with the server.
  const session = connect(Number(new URL(left!.url).port), "127.0.0.1");
  await once(session, "connect");
  session.on("error", () => {});
  const serverGone = once(session, "close");
  const folderGone = untilEmpty(temp);
  child.kill("SIGKILL");
  await Promise.all([once(child, "exit"), serverGone, folderGone]);
  assert.throws(() => process.kill(left!.pid, 0), { code: "ESRCH" });
});

async function untilEmpty(folder: string): Promise<void> {
  const watcher = watch(folder);
  try {
    while (readdirSync(folder).length > 0) await once(watcher, "change");
  } finally {
    watcher.close();
  }
}
