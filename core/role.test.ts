import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";

const ROLE = new URL("role.ts", import.meta.url).href;

test("a role whose parent went before the role was loaded stops by itself", async (t) => {
  const program = `
    import { once } from "node:events";
    if (process.connected) await once(process, "disconnect");
    const { runRole } = await import(${JSON.stringify(ROLE)});
    const start = async () => ({ port: 1, stop: async () => void process.stdout.write("stopped") });
    await runRole({ command: "x", purpose: "x", settings: [], start });
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  t.after(() => child.kill("SIGKILL"));
  child.disconnect();
  const [[code], said] = await Promise.all([once(child, "exit"), text(child.stdout!)]);
  assert.deepEqual([code, said], [0, "stopped"]);
});

test("a role that cannot go on is stopped like any other, and its process ends with why", async (t) => {
  const program = `
    const { runRole } = await import(${JSON.stringify(ROLE)});
    const failed = Promise.resolve(new Error("Kafka refuses what a consumer needs"));
    const start = async () => ({ port: 1, failed, stop: async () => void process.stdout.write("stopped") });
    await runRole({ command: "x", purpose: "x", settings: [], start });
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  const [[code], said, why] = await Promise.all([
    once(child, "exit"),
    text(child.stdout!),
    text(child.stderr!),
  ]);
  assert.deepEqual([code, said, why], [1, "stopped", "Kafka refuses what a consumer needs\n"]);
});
