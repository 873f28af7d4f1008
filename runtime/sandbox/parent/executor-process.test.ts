/** What an executor may say, by a process that says what it likes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { type TestContext, test } from "node:test";
import { encodeFrame } from "../../../core/frames.ts";
import { type ChildMessage, MAX_CHILD_FRAME_BYTES, type WarmMessage } from "../protocol/messages.ts";
import { DEFAULT_SANDBOX_SETTINGS } from "../settings.ts";
import { ExecutorProcess } from "./executor-process.ts";

/** Says these messages, and no more. */
function spawnLiar(messages: ChildMessage[]) {
  const frames = messages.map((message) => encodeFrame(message, MAX_CHILD_FRAME_BYTES));
  const base64 = Buffer.concat(frames).toString("base64");
  const script = `fs.writeSync(3, Buffer.from("${base64}", "base64")); setInterval(() => {}, 60_000);`;
  return spawn(process.execPath, ["--eval", script], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
}

/** The executor once it was heard out, or is gone. */
async function hearOut(t: TestContext, warm: Omit<WarmMessage, "t">): Promise<ExecutorProcess> {
  const heard = Promise.withResolvers<void>();
  const executor = new ExecutorProcess(
    { ...DEFAULT_SANDBOX_SETTINGS, spawn: () => spawnLiar([{ t: "ready" }, { t: "warm", ...warm }]) },
    {},
    { onReady() {}, onWarm: heard.resolve, onChange() {}, onGivenBack() {}, onDead: () => heard.resolve() },
  );
  // Its handles hold nobody's event loop: here nothing else does.
  const hold = setInterval(() => {}, 60_000);
  t.after(async () => {
    executor.kill("shutdown");
    await executor.closed;
    clearInterval(hold);
  });
  await heard.promise;
  return executor;
}

test("one that has, or has ended, more isolates than runs were begun in it is killed", async (t) => {
  const none = { memory: 0, idle: 0 };
  for (const forged of [
    { isolates: 1, bytes: 0, evicted: none },
    { isolates: 0, bytes: 0, evicted: { ...none, memory: 1 } },
    { isolates: 0, bytes: 0, evicted: { ...none, idle: 1 } },
  ]) {
    const { state, end, wasReady, warm } = await hearOut(t, forged);
    assert.deepEqual([state, end, wasReady], ["dead", "misbehaved", true]);
    assert.deepEqual([warm.isolates, warm.evicted], [0, none]);
  }
  const { state } = await hearOut(t, { isolates: 0, bytes: 0, evicted: none });
  assert.equal(state, "ready");
});
