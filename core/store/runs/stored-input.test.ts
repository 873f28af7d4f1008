/** Runs whose input is a stored request: what is kept of it once they are over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { StoredRequestInput } from "../../domain/stored-request.ts";
import {
  ANY_TIME,
  claim,
  deployFunction,
  finished,
  makeWorker,
  queueInvocation,
  SAMPLE_ERROR,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { cancelRuns } from "./cancel.ts";
import { finishAttempts } from "./finish.ts";
import { findRun } from "./read.ts";
import { rescueLostRuns } from "./rescue.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();
await deployFunction(db, namespaceId, "receive");

const SECRET = "c2VjcmV0";
const input: StoredRequestInput = {
  request: {
    method: "POST",
    url: "http://bellhop.example/?a=1",
    headers: [["x-signature", SECRET]],
    body: SECRET,
  },
};
const KEPT = { request: { method: "POST", url: "http://bellhop.example/?a=1" } };

const queue = (trigger: "http" | "hook") =>
  queueInvocation(store, namespaceId, "receive", { input, trigger });

async function storedInput(runId: string): Promise<unknown> {
  const { rows } = await store.pool.query<{ input: unknown }>("SELECT input FROM task_runs WHERE id = $1", [
    runId,
  ]);
  return rows[0]!.input;
}

test("a worker gets the request as it was, and what made the run", async () => {
  const runId = await queue("hook");
  const run = await claim(store, await makeWorker(db), runId);
  assert.equal(run.trigger, "hook");
  assert.deepEqual(run.spec, { type: "function", function: "receive", input });
  assert.equal((await findRun(store, namespaceId, runId))?.trigger, "hook");
  assert.deepEqual(await storedInput(runId), input);
});

for (const trigger of ["http", "hook"] as const) {
  test(`${trigger}: neither headers nor body outlive the run, whatever ends it`, async () => {
    const workerId = await makeWorker(db);
    for (const verdict of [
      { state: "succeeded", result: 1 },
      { state: "failed", error: SAMPLE_ERROR },
    ] as const) {
      const run = await claim(store, workerId, await queue(trigger));
      await finishAttempts(store, workerId, [finished(run, workerId, verdict)]);
      assert.deepEqual(await storedInput(run.id), KEPT);
    }
    const cancelled = await queue(trigger);
    await cancelRuns(store, namespaceId, { runId: cancelled });
    assert.deepEqual(await storedInput(cancelled), KEPT);
    const lost = await claim(store, await makeWorker(db, 0), await queue(trigger));
    const rescued = await rescueLostRuns(store, new Date(), ANY_TIME, 100);
    assert.ok(rescued.some(({ runId }) => runId === lost.id));
    assert.deepEqual(await storedInput(lost.id), KEPT);
  });
}

test("the input of an invocation stays as it was, also where it looks like a request", async () => {
  const workerId = await makeWorker(db);
  const run = await claim(store, workerId, await queueInvocation(store, namespaceId, "receive", { input }));
  assert.equal(run.trigger, "invoke");
  await finishAttempts(store, workerId, [finished(run, workerId, { state: "succeeded", result: 1 })]);
  assert.deepEqual(await storedInput(run.id), input);
});
