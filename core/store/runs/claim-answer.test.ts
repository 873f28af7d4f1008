/** What a claim tells once of all its runs, and how each comes by its own. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type pg from "pg";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { TaskInput } from "../../contracts/task-input.ts";
import { JsonSource } from "../../json-source.ts";
import { makeCallbacks } from "../callbacks/make-callbacks.ts";
import { createTask } from "../tasks/create.ts";
import { toGivenInput } from "../tasks/spec-column.ts";
import {
  claimDue,
  deployFunction,
  finished,
  httpTask,
  makeWorker,
  queueInvocation,
  queueRun,
  startRun,
} from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { MAX_CLAIMED_BYTES } from "./claimed-run.ts";
import { enqueueTaskRun } from "./enqueue.ts";
import { finishAttempts } from "./finish.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

/** A store that shows the rows with which the database answered a claim that took runs. */
function watchClaims() {
  const answers: { [column: string]: unknown }[][] = [];
  const query = async (statement: pg.QueryArrayConfig) => {
    const answer = await store.plannedPool.query<unknown[]>(statement);
    const names = answer.fields.map(({ name }) => name);
    const rows = answer.rows.map((values) => Object.fromEntries(names.map((name, at) => [name, values[at]])));
    if (rows.some(({ id }) => id !== null)) answers.push(structuredClone(rows));
    return answer;
  };
  const plannedPool = Object.create(store.plannedPool, { query: { value: query } });
  return { watched: { ...store, plannedPool } as typeof store, answers };
}

test("a claim writes a policy once that its tasks have in common, and the texts of others", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "report");
  const { watched, answers } = watchClaims();
  const hasOwnTexts = async (given: Parameters<typeof queueRun>[2][]) => {
    const ids = await Promise.all(given.map((some) => queueRun(store, namespaceId, some)));
    ids.push(await queueInvocation(store, namespaceId, "report"));
    assert.equal((await claimDue(watched, workerId, ids.length, 0)).length, ids.length);
    const rows = answers.at(-1)!;
    return ids.map((id) => rows.find((row) => row["id"] === id)!["policy_texts"] !== null);
  };
  // A call has no task, and no texts. Timeouts have their own column.
  assert.deepEqual(await hasOwnTexts([{}, { timeoutMs: 1_000 }, {}]), [false, false, false, false]);
  const [first, other, second, call] = await hasOwnTexts([{}, { ttlMs: 60_000 }, {}]);
  assert.deepEqual([first, second, call], [!other, !other, false], "which one is told once is left open");
});

test("a claim writes a spec once that its tasks have in common, and each run gets its own", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "report");
  const { watched, answers } = watchClaims();
  const bodies = ['{"n": 1}', '{"n": 1}', '{"n": 1}', '{"n": 2}'];
  const specs = bodies.map((text) => ({
    ...httpTask({ kind: "now" }).spec,
    ...{ method: "POST", body: new JsonSource(text) },
  })) as TaskInput["spec"][];
  const ids = await Promise.all(specs.map((spec) => queueRun(store, namespaceId, { spec })));
  const callId = await queueInvocation(store, namespaceId, "report", { input: { n: 3 } });
  const runs = await claimDue(watched, workerId, 5, 0);
  const specOf = (id: string) => runs.find((run) => run.id === id)!.spec;
  assert.deepEqual(ids.map(specOf), specs);
  assert.deepEqual(specOf(callId), { type: "function", function: "report", input: { n: 3 } });
  const written = answers.at(-1)!.flatMap((row) => (row["spec"] === null ? [] : [row["id"]]));
  // Which one is told once is left open.
  assert.deepEqual(written.sort(), written.length === 1 ? [ids[3]] : ids.slice(0, 3).sort());
});

test("a spec that runs share is frozen as deep as it goes", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const functionId = await deployFunction(db, namespaceId, "report");
  const post = { ...httpTask({ kind: "now" }).spec, headers: { "x-n": "1" }, body: new JsonSource("[1]") };
  const call: TaskInput["spec"] = { type: "function", function: "report", input: { parts: [{ n: 1 }] } };
  for (const spec of [post as TaskInput["spec"], call]) {
    const input = httpTask({ kind: "now" }, { spec });
    const of = spec === call ? functionId : null;
    for (let nth = 0; nth < 2; nth += 1)
      await createTask(store, { namespaceId, input, functionId: of, now: new Date() });
    const [one, other] = (await claimDue(store, workerId, 2, 0)).map((run) => run.spec);
    assert.equal(one, other);
    assert.deepEqual(one, spec);
    assertFrozen(one);
  }
});

function assertFrozen(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  assert.ok(Object.isFrozen(value), JSON.stringify(value));
  for (const each of Object.values(value)) assertFrozen(each);
}

test("a claim of shared, given and large specs and of a callback that sends gives each run its own", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const shared = { ...httpTask({ kind: "now" }).spec, method: "POST" } as TaskInput["spec"];
  const large = { ...shared, body: "0".repeat(8 * MAX_CLAIMED_BYTES) } as TaskInput["spec"];
  const called = { type: "http" as const, url: "https://example.com/called" };
  const queueCallback = async () => {
    const ended = await startRun(store, namespaceId, workerId, { on: { success: [called] } });
    await finishAttempts(store, workerId, [finished(ended, workerId, { state: "succeeded", result: null })]);
    const { runs } = await makeCallbacks(store);
    return runs[0]!.runId;
  };
  const queueShared = async () => {
    const input = httpTask({ kind: "now" }, { spec: shared });
    const { task, run } = await createTask(store, { namespaceId, input, now: new Date() });
    const text = toGivenInput("body", { n: 2 });
    const given = await enqueueTaskRun(store, namespaceId, task.id, undefined, undefined, text);
    return [run!.runId, await queueRun(store, namespaceId, { spec: shared }), given!.runId];
  };
  const queueLarge = async () => [await queueRun(store, namespaceId, { spec: large })];
  // What the runs have in common is told of one of them, whichever that is.
  for (const largeIsFirst of [true, false]) {
    const callbackId = await queueCallback();
    const queued = largeIsFirst ? [queueLarge, queueShared] : [queueShared, queueLarge];
    const ids = [await queued[0]!(), await queued[1]!()];
    const [sharedIds, largeIds] = largeIsFirst ? [ids[1]!, ids[0]!] : [ids[0]!, ids[1]!];
    const runs = await claimDue(store, workerId, 10, 0);
    assert.equal(runs.length, 5);
    const runOf = (id: string) => runs.find((run) => run.id === id)!;
    const specsOf = (of: string[]) => of.map((id) => runOf(id).spec);
    assert.deepEqual(specsOf(sharedIds), [shared, shared, { ...shared, body: { n: 2 } }]);
    assert.deepEqual(specsOf(largeIds), [{ type: "http" }]);
    assert.ok(runOf(largeIds[0]!).unloadedBytes! > MAX_CLAIMED_BYTES);
    const callback = runOf(callbackId);
    assert.ok(callback.spec.type === "http" && callback.taskId === null && !callback.unloadedBytes);
    assert.equal(callback.spec.url, called.url);
    assert.equal((callback.spec.body as { type?: unknown }).type, "bellhop.run.succeeded");
  }
});
