import assert from "node:assert/strict";
import { test } from "node:test";
import { succeeded } from "../core/domain/attempt.ts";
import { MAX_CLAIMED_BYTES } from "../core/store/runs/claimed-run.ts";
import { deployFunction, queueInvocation } from "../core/store/testing/samples.ts";
import type { TaskRunner } from "./runners/task-runner.ts";
import { db, heldRunner, inState, namespaceId, openWorker, ring, store } from "./testing/open-worker.ts";

/** Each takes this many bytes of JSON. */
const BYTES = 8 * MAX_CLAIMED_BYTES;
const inputOf = (nth: number) => String(nth).padEnd(BYTES - 2, "x");

let functions = 0;

async function queueLarge(count: number): Promise<string[]> {
  functions += 1;
  const name = `large-${functions}`;
  await deployFunction(db, namespaceId, name);
  const runIds: string[] = [];
  for (let nth = 0; nth < count; nth += 1)
    runIds.push(await queueInvocation(store, namespaceId, name, { input: inputOf(nth), timeoutMs: 60_000 }));
  return runIds;
}

test("large inputs are held as far as there is room, and each run gets its own", async (t) => {
  const runIds = await queueLarge(7);
  const held = heldRunner();
  const inputs = new Map<string, unknown>();
  const runner: TaskRunner = (run, context) => {
    assert.equal(run.spec.type, "function");
    inputs.set(run.id, run.spec.input);
    return held.runner(run, context);
  };
  const worker = await openWorker(t, runner, { inputRoomBytes: 3 * BYTES });
  await ring(worker, ...runIds);
  for (let ended = 0; ended < runIds.length; ended += 1) {
    await held.whenStarted(Math.min(ended + 3, runIds.length));
    assert.ok(held.started.length - ended <= 3, `${held.started.length - ended} inputs are held at once`);
    held.end(held.started[ended]!.runId, succeeded(ended));
    await inState(held.started[ended]!.runId, "succeeded");
  }
  for (const [nth, runId] of runIds.entries()) assert.equal(inputs.get(runId), inputOf(nth));
});

test("a run that is cancelled while it waits for room never begins", async (t) => {
  const runIds = await queueLarge(2);
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { inputRoomBytes: BYTES });
  await ring(worker, ...runIds);
  await held.whenStarted(1);
  const begun = held.started[0]!.runId;
  const waiting = runIds.find((id) => id !== begun)!;
  await inState(waiting, "running");
  await db
    .updateTable("task_runs")
    .set({ cancel_requested_at: new Date() })
    .where("id", "=", waiting)
    .execute();
  worker.notifier.notify("bellhop_cancel", [waiting]);
  await inState(waiting, "cancelled");
  held.end(begun);
  await inState(begun, "succeeded");
  assert.equal(held.started.length, 1);
});

test("what waits for room when its worker stops is given back, and costs no attempt", async (t) => {
  const runIds = await queueLarge(2);
  const held = heldRunner();
  const worker = await openWorker(t, held.runner, { inputRoomBytes: BYTES, drainMs: 0 });
  await ring(worker, ...runIds);
  await held.whenStarted(1);
  const waiting = runIds.find((id) => id !== held.started[0]!.runId)!;
  await inState(waiting, "running");
  const stopped = worker.stop();
  held.started[0]!.context.signal.addEventListener("abort", () => held.end(held.started[0]!.runId));
  await stopped;
  const run = await inState(waiting, "queued");
  assert.equal(run.attempt, 1);
  assert.equal(held.started.length, 1);
});
