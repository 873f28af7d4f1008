/** Runs whose input is a stored request: what is kept of it once they are over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { type InputFate, MAX_ORIGINAL_INPUT_BYTES } from "../../domain/kept-input.ts";
import type { RunVerdict } from "../../domain/retry.ts";
import type { StoredRequestInput } from "../../domain/stored-request.ts";
import type { Json } from "../../json.ts";
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

async function storedInput(runId: string): Promise<{ input: unknown; original: unknown }> {
  const { rows } = await store.pool.query<{ input: unknown; original: unknown }>(
    "SELECT input, original_input AS original FROM task_runs WHERE id = $1",
    [runId],
  );
  return rows[0]!;
}

const KEPT_ALONE = { input: KEPT, original: null };
const KEPT_FOR_REPLAY = { hook: { input: KEPT, original: input }, http: KEPT_ALONE };

test("a worker gets the request as it was, and what made the run", async () => {
  const runId = await queue("hook");
  const run = await claim(store, await makeWorker(db), runId);
  assert.equal(run.trigger, "hook");
  assert.deepEqual(run.spec, { type: "function", function: "receive", input });
  assert.equal((await findRun(store, namespaceId, runId))?.trigger, "hook");
  assert.deepEqual(await storedInput(runId), { input, original: null });
});

for (const trigger of ["http", "hook"] as const) {
  test(`${trigger}: headers and body outlive a hook's run alone, where it did not succeed, whatever ends it`, async () => {
    const workerId = await makeWorker(db);
    for (const [verdict, stored] of [
      [{ state: "succeeded", result: 1 }, KEPT_ALONE],
      [{ state: "failed", error: SAMPLE_ERROR }, KEPT_FOR_REPLAY[trigger]],
    ] as const) {
      const run = await claim(store, workerId, await queue(trigger));
      await finishAttempts(store, workerId, [finished(run, workerId, verdict)]);
      assert.deepEqual(await storedInput(run.id), stored);
    }
    const cancelled = await queue(trigger);
    await cancelRuns(store, namespaceId, { runId: cancelled });
    assert.deepEqual(await storedInput(cancelled), KEPT_FOR_REPLAY[trigger]);
    const lost = await claim(store, await makeWorker(db, 0), await queue(trigger));
    const rescued = await rescueLostRuns(store, new Date(), ANY_TIME, 100);
    assert.ok(rescued.some(({ runId }) => runId === lost.id));
    assert.deepEqual(await storedInput(lost.id), KEPT_FOR_REPLAY[trigger]);
  });
}

test("the input of an invocation stays as it was, also where it looks like a request", async () => {
  const workerId = await makeWorker(db);
  const run = await claim(store, workerId, await queueInvocation(store, namespaceId, "receive", { input }));
  assert.equal(run.trigger, "invoke");
  await finishAttempts(store, workerId, [finished(run, workerId, { state: "succeeded", result: 1 })]);
  assert.deepEqual(await storedInput(run.id), { input, original: null });
});

test("what a worker says may be shown of a failed call takes nothing from what its replay is given, up to a bound", async () => {
  const workerId = await makeWorker(db);
  const end = async (given: Json, shown: Json, fate: InputFate, verdict: RunVerdict) => {
    const runId = await queueInvocation(store, namespaceId, "receive", { input: given });
    const run = await claim(store, workerId, runId);
    const { record, ...attempt } = finished(run, workerId, verdict);
    const told = { ...attempt, record: { ...record, input: fate }, input: shown };
    await finishAttempts(store, workerId, [told]);
    return await storedInput(run.id);
  };
  const failed = { state: "failed", error: SAMPLE_ERROR } as const;
  const longest = "x".repeat(MAX_ORIGINAL_INPUT_BYTES - 2);
  assert.deepEqual(await end("given", "given", "kept", failed), { input: "given", original: null });
  assert.deepEqual(await end("given", "[redacted]", "redacted", failed), {
    ...{ input: "[redacted]", original: "given" },
  });
  assert.deepEqual(await end("given", "[redacted]", "redacted", { state: "succeeded", result: 1 }), {
    ...{ input: "[redacted]", original: null },
  });
  assert.deepEqual(await end(longest, null, "too_long", failed), { input: null, original: longest });
  assert.deepEqual(await end(`${longest}x`, null, "too_long", failed), { input: null, original: null });
});
