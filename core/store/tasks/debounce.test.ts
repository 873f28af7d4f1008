import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { Debounce } from "../../domain/joining.ts";
import { claimRuns } from "../runs/claim.ts";
import { httpTask, makeWorker } from "../testing/samples.ts";
import { stageDueTasks } from "../testing/stage-runs.ts";
import { openTestStore, untilBlocked } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { debounceTaskIn, removeFiredDebounces } from "./debounce.ts";
import { findTask } from "./read.ts";
import { changeTask } from "./redefine.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(async () => {
  await clear();
  await store.pool.query("DELETE FROM debounced_tasks");
});

const WAITS: Debounce = { key: "k", waitMs: 5_000, maxMs: 60_000 };
/** Far enough ahead for nothing that is staged to be due by the true clock. */
const START = new Date(Date.now() + 3_600_000);
const LONG_AGO_MS = -7_200_000;
const at = (ms: number) => new Date(START.getTime() + ms);

function post(namespaceId: string, afterMs: number, name = "any", debounce = WAITS) {
  const input = httpTask({ kind: "now" }, { name, debounce });
  return inTransaction(store.pool, (tx) =>
    debounceTaskIn(tx, { namespaceId, input, time: { now: () => at(afterMs) } }, debounce),
  );
}

test("a task is put off by each that takes its place, and no longer than its maximum", async () => {
  const namespaceId = await newNamespace();
  const { task } = await post(namespaceId, 0);
  assert.deepEqual(task.nextRunAt, at(5_000));
  for (let afterMs = 4_000; afterMs < 60_000; afterMs += 4_000) {
    const next = await post(namespaceId, afterMs);
    assert.deepEqual([next.task.id, next.joined], [task.id, true]);
    assert.deepEqual(next.task.nextRunAt, at(Math.min(afterMs + 5_000, 60_000)));
    assert.deepEqual((await findTask(store, namespaceId, task.id))!.nextRunAt, next.task.nextRunAt);
  }
});

test("who takes a task's place and names no key leaves it its own", async () => {
  const namespaceId = await newNamespace();
  const input = httpTask({ kind: "now" }, { key: "mine", debounce: WAITS });
  const make = { namespaceId, input, time: { now: () => START } };
  const { task } = await inTransaction(store.pool, (tx) => debounceTaskIn(tx, make, WAITS));
  const next = await post(namespaceId, 1_000);
  assert.deepEqual([next.joined, next.task.id, next.task.key], [true, task.id, "mine"]);
  assert.equal((await findTask(store, namespaceId, task.id))!.key, "mine");
});

test("one whose run is staged and not due is put off, and its run is taken back", async () => {
  const namespaceId = await newNamespace();
  const { task } = await post(namespaceId, 0, "first");
  const [staged] = await stageDueTasks(store, at(4_500), at(5_500), 10);
  const next = await post(namespaceId, 4_600, "second");
  assert.deepEqual([next.task.id, next.joined, next.task.nextRunAt], [task.id, true, at(9_600)]);
  assert.deepEqual(
    (await store.pool.query("SELECT FROM task_runs_open WHERE id = $1", [staged!.runId])).rowCount,
    0,
  );
  const runs = await stageDueTasks(store, at(9_500), at(10_500), 10);
  assert.deepEqual(
    runs.map(({ availableAt }) => availableAt),
    [at(9_600)],
  );
});

test("one that has fired is over: the next is another, and the key's row goes", async () => {
  const namespaceId = await newNamespace();
  const { task } = await post(namespaceId, LONG_AGO_MS);
  const [staged] = await stageDueTasks(store, new Date(), new Date(), 10);
  const [run] = await claimRuns(store, await makeWorker(db), [staged!.runId]);
  assert.deepEqual(run!.taskId, task.id);
  const others = ["a", "l", "z"].map((key) => post(namespaceId, 0, "other", { ...WAITS, key }));
  await Promise.all(others);
  assert.equal(await removeFiredDebounces(store, 1), 1, "found among those that wait");
  const next = await post(namespaceId, 0);
  assert.ok(next.task.id !== task.id && !next.joined);
  assert.equal(await removeFiredDebounces(store, 10), 0);
});

test("of several at once one is made, and the others take its place", async () => {
  const namespaceId = await newNamespace();
  const all = await Promise.all(
    Array.from({ length: 6 }, (_, index) => post(namespaceId, index, `${index}`)),
  );
  assert.equal(new Set(all.map(({ task }) => task.id)).size, 1);
  assert.equal(all.filter(({ joined }) => !joined).length, 1);
});

for (const [what, schedule, policy] of [
  ["was given a schedule", { kind: "every", everyMs: 86_400_000 }, { debounce: WAITS }],
  ["is debounced no more", { kind: "delay", delayMs: 1_800_000 }, {}],
  ["was given another key", { kind: "delay", delayMs: 1_800_000 }, { debounce: { ...WAITS, key: "other" } }],
] as const)
  test(`a task that ${what} keeps its place no longer, and stays as it is`, async () => {
    const namespaceId = await newNamespace();
    const { task } = await post(namespaceId, 0);
    const input = httpTask(schedule, { name: "kept", ...policy });
    const change = { input, functionId: null, reschedules: true };
    await changeTask(store, namespaceId, task.id, at(1_000), async () => change);
    const changed = await findTask(store, namespaceId, task.id);
    const horizon = at(2 * 86_400_000);
    const [staged] = await stageDueTasks(store, horizon, horizon, 1);
    const next = await post(namespaceId, 2_000);
    assert.ok(next.task.id !== task.id && !next.joined);
    const kept = await findTask(store, namespaceId, task.id);
    assert.deepEqual([kept!.name, kept!.schedule], ["kept", changed!.schedule]);
    const { rows } = await store.pool.query("SELECT id FROM task_runs_open");
    assert.deepEqual(rows, [{ id: staged!.runId }], "what is staged of it stays");
    const third = await post(namespaceId, 3_000);
    assert.deepEqual([third.task.id, third.joined], [next.task.id, true], "the place is that of the new one");
  });

test("a call that waits for its turn puts the task off from then on", async () => {
  const namespaceId = await newNamespace();
  const input = httpTask({ kind: "now" }, { debounce: WAITS });
  let now = at(0);
  const debounce = () =>
    inTransaction(store.pool, (tx) =>
      debounceTaskIn(tx, { namespaceId, input, time: { now: () => now } }, WAITS),
    );
  const { next } = await inTransaction(store.pool, async (tx) => {
    await debounceTaskIn(tx, { namespaceId, input, time: { now: () => now } }, WAITS);
    const next = debounce();
    await untilBlocked(store);
    now = at(3_000);
    return { next };
  });
  const { task, joined } = await next;
  assert.deepEqual([joined, task.nextRunAt], [true, at(8_000)]);
});
