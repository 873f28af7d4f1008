/** The release before this one knows no `policy`; the one after it may know more of it. All of them run side by side. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { DEFAULT_POLICY, type TaskPolicy } from "../../contracts/task-policy.ts";
import { enqueueTaskRun } from "../runs/enqueue.ts";
import { rescueLostRuns } from "../runs/rescue.ts";
import { ANY_TIME, claim, httpTask, makeWorker } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { createTask } from "./create.ts";
import { findTask } from "./read.ts";
import { changeTask } from "./redefine.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);
const HOURLY = { kind: "every", everyMs: 3_600_000 } as const;
const RETRY = { maxAttempts: 2, backoff: { initialMs: 7, factor: 3, maxMs: 70, jitter: false } };

async function makeTask(given: Partial<TaskPolicy> = {}) {
  const namespaceId = await newNamespace();
  const input = httpTask(HOURLY, given);
  const { task } = await createTask(store, { namespaceId, input, now: new Date() });
  const policyNow = async () => (await findTask(store, namespaceId, task.id))!.policy;
  /** A PATCH of this release. */
  const change = (policy: Partial<TaskPolicy>) =>
    changeTask(store, namespaceId, task.id, new Date(), async (current) => ({
      input: { ...current, policy: { ...current.policy, ...policy } },
      functionId: null,
      reschedules: false,
    }));
  return { namespaceId, id: task.id, policyNow, change };
}

/** A PATCH of the release before: it writes the columns it knows, all of them. */
async function changeAsBefore(id: string, { retry, timeoutMs, deadLetter }: TaskPolicy): Promise<void> {
  await sql`UPDATE tasks SET retry = ${JSON.stringify(retry)}::jsonb, timeout_ms = ${timeoutMs},
    dead_letter = ${deadLetter} WHERE id = ${id}`.execute(db);
}

const columnsOf = async (id: string) =>
  (
    await sql<{ retry: unknown; timeout_ms: number; dead_letter: boolean; policy: object }>`
      SELECT retry, timeout_ms, dead_letter, policy FROM tasks WHERE id = ${id}`.execute(db)
  ).rows[0]!;

test("what this release writes, the one before reads", async () => {
  const { id, change } = await makeTask({ retry: RETRY, timeoutMs: 1_234, deadLetter: false });
  const first = await columnsOf(id);
  assert.deepEqual([first.retry, first.timeout_ms, first.dead_letter], [RETRY, 1_234, false]);
  await change({ retry: DEFAULT_POLICY.retry, deadLetter: true });
  const second = await columnsOf(id);
  assert.deepEqual(
    [second.retry, second.timeout_ms, second.dead_letter],
    [DEFAULT_POLICY.retry, 1_234, true],
  );
  const { retry, deadLetter, overlap, queue, priority } = DEFAULT_POLICY;
  assert.deepEqual(
    second.policy,
    { retry, deadLetter, overlap, queue, priority },
    "the timeout has its column; what is not set is left out",
  );
});

test("a change through either release is never lost, in whatever order they come", async () => {
  const { id, namespaceId, policyNow, change } = await makeTask();
  const before = await policyNow();
  await changeAsBefore(id, { ...before, retry: RETRY });
  assert.deepEqual(await policyNow(), { ...before, retry: RETRY });
  await change({ timeoutMs: 999 });
  assert.deepEqual(await policyNow(), { ...before, retry: RETRY, timeoutMs: 999 });
  await changeAsBefore(id, { ...before, retry: RETRY, timeoutMs: 999, deadLetter: false });
  const last = { ...before, retry: RETRY, timeoutMs: 999, deadLetter: false };
  assert.deepEqual(await policyNow(), last);
  // What runs is what is shown.
  const workerId = await makeWorker(db);
  const run = await enqueueTaskRun(store, namespaceId, id);
  assert.deepEqual((await claim(store, workerId, run!.runId)).policy, last);
});

test("a task that the release before makes runs by its columns", async () => {
  const { id, namespaceId, policyNow } = await makeTask({ retry: RETRY, deadLetter: false });
  await sql`UPDATE tasks SET policy = DEFAULT`.execute(db);
  assert.deepEqual(await policyNow(), {
    ...DEFAULT_POLICY,
    retry: RETRY,
    timeoutMs: 5_000,
    deadLetter: false,
    overlap: "allow",
  });
  const workerId = await makeWorker(db);
  const run = await enqueueTaskRun(store, namespaceId, id);
  await claim(store, workerId, run!.runId);
  await sql`DELETE FROM workers`.execute(db);
  const rescue = () => rescueLostRuns(store, new Date(), ANY_TIME, 10);
  assert.equal((await rescue())[0]?.state, "scheduled", "the first of two attempts");
});

test("a change keeps what only a later release knows", async () => {
  const { id, change, policyNow } = await makeTask();
  const { policy } = await columnsOf(id);
  await sql`UPDATE tasks SET policy = policy || '{"later": {"a": 1}}' WHERE id = ${id}`.execute(db);
  assert.ok(!("later" in (await policyNow())));
  await change({ deadLetter: false });
  assert.deepEqual((await columnsOf(id)).policy, { ...policy, deadLetter: false, later: { a: 1 } });
});

test("a change takes limits away, and what the release before cannot know of a retry", async () => {
  const backoff = { kind: "list" as const, waitsMs: [5], jitter: false };
  const retry = { maxAttempts: 3, backoff, on: ["5xx"] };
  const { id, change, policyNow } = await makeTask({ retry, ttlMs: 1_000, deadlineMs: 2_000 });
  const before = await policyNow();
  assert.deepEqual([before.retry, before.ttlMs, before.deadlineMs], [retry, 1_000, 2_000]);
  await change({ ttlMs: null });
  assert.deepEqual(await policyNow(), { ...before, ttlMs: null });
  await change({ ...DEFAULT_POLICY, timeoutMs: before.timeoutMs });
  assert.deepEqual(await policyNow(), { ...DEFAULT_POLICY, timeoutMs: before.timeoutMs });
  assert.deepEqual(Object.keys((await columnsOf(id)).policy).sort(), [
    "deadLetter",
    "overlap",
    "priority",
    "queue",
    "retry",
  ]);
});
