import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { Json } from "../../json.ts";
import { createTask } from "../tasks/create.ts";
import {
  claim,
  claimDue,
  deployFunction,
  httpTask,
  makeWorker,
  queueInvocation,
  queueRun,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { MAX_CLAIMED_BYTES } from "./claimed-run.ts";
import { releaseRuns } from "./finish.ts";
import { loadSpec } from "./load-spec.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

/** Characters that hardly compress. */
function noise(length: number): string {
  let seed = 1;
  const next = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed.toString(36);
  };
  let text = "";
  while (text.length < length) text += next();
  return text.slice(0, length);
}

const LARGE = noise(2 * MAX_CLAIMED_BYTES);

test("a claim brings what is small, and of what is large its type and how many bytes it is", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "greet");
  for (const input of ["small", LARGE, "x".repeat(8 * MAX_CLAIMED_BYTES)])
    await queueInvocation(store, namespaceId, "greet", { input });
  const runs = await claimDue(store, workerId, 10, 0);
  const byBytes = runs.toSorted((a, b) => (a.unloadedBytes ?? 0) - (b.unloadedBytes ?? 0));
  assert.deepEqual(
    byBytes.map(({ unloadedBytes }) => unloadedBytes),
    [undefined, 2 * MAX_CLAIMED_BYTES + 2, 8 * MAX_CLAIMED_BYTES + 2],
  );
  const [small, large] = byBytes.map(({ spec }) => spec);
  assert.deepEqual(small, { type: "function", function: "greet", input: "small" });
  assert.deepEqual(large, { type: "function", function: "greet", input: null });
  const loaded = await loadSpec(store, byBytes[1]!);
  assert.deepEqual(loaded, { type: "function", function: "greet", input: LARGE as Json });
});

test("a claim of many large inputs answers with none of them", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "greet");
  for (let nth = 0; nth < 20; nth += 1) await queueInvocation(store, namespaceId, "greet", { input: LARGE });
  const runs = await claimDue(store, workerId, 20, 0);
  assert.equal(runs.length, 20);
  assert.ok(JSON.stringify(runs).length < MAX_CLAIMED_BYTES, "a claim's answer holds large inputs");
});

test("a task's large spec is loaded as it was given, with its type at the claim", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const input = httpTask({ kind: "now" });
  assert.equal(input.spec.type, "http");
  const spec = { ...input.spec, headers: { "x-noise": LARGE } } as typeof input.spec;
  const { run } = await createTask(store, { namespaceId, input: { ...input, spec }, now: new Date() });
  const claimed = await claim(store, workerId, run!.runId);
  assert.deepEqual(claimed.spec, { type: "http" });
  assert.deepEqual(await loadSpec(store, claimed), spec);
});

test("what is not running by that claim any more is not loaded", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const runId = await queueRun(store, namespaceId);
  const claimed = await claim(store, workerId, runId);
  await releaseRuns(store, workerId, [claimed]);
  assert.equal(await loadSpec(store, claimed), undefined);
  const again = await claim(store, workerId, runId);
  assert.equal(await loadSpec(store, claimed), undefined);
  assert.deepEqual(await loadSpec(store, again), again.spec);
});
