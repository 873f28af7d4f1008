import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import type { TaskInput } from "../../contracts/task-input.ts";
import { CALL_POLICY, DEFAULT_POLICY } from "../../contracts/task-policy.ts";
import { deployRevision } from "../functions/deploy.ts";
import { newId } from "../ids.ts";
import { createTask } from "../tasks/create.ts";
import {
  claim,
  claimDue,
  deployFunction,
  httpTask,
  makeWorker,
  queueInvocation,
  queueRun,
  revision,
} from "../testing/samples.ts";
import { stageDueTasks } from "../testing/stage-runs.ts";
import { openTestStore } from "../testing/test-store.ts";
import { claimDueRuns, claimRuns } from "./claim.ts";
import { findEarlyRuns, msUntilNextQueued } from "./find-claimable.ts";
import { releaseRuns } from "./finish.ts";
import { findRun } from "./read.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

/** The id of a run that is queued for an hour from now. */
async function queueEarlyRun(namespaceId: string): Promise<string> {
  const now = new Date();
  await createTask(store, { namespaceId, input: httpTask({ kind: "delay", delayMs: 3_600_000 }), now });
  const [staged] = await stageDueTasks(store, now, new Date(now.getTime() + 7_200_000), 1);
  return staged!.runId;
}

/** The id of a run that has been due for so long. */
async function queueOverdueRun(namespaceId: string, overdueMs: number): Promise<string> {
  const id = await queueRun(store, namespaceId);
  await sql`UPDATE task_runs_open SET available_at = clock_timestamp() - ${overdueMs}::int * interval '1 millisecond'
    WHERE id = ${id}`.execute(db);
  return id;
}

test("a claim brings all that an attempt needs, and the run belongs to the worker", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const input = httpTask({ kind: "now" }, { timeoutMs: 1_234, deadLetter: false });
  const { task, run } = await createTask(store, { namespaceId, input, now: new Date() });
  const claimed = await claim(store, workerId, run!.runId);
  const { scheduledFor, startedAt, ...rest } = claimed;
  assert.deepEqual(rest, {
    id: run!.runId,
    claimNo: 1,
    namespaceId,
    taskId: task.id,
    spec: input.spec,
    attempt: 1,
    attemptOffset: 0,
    limitsFrom: null,
    policy: { ...DEFAULT_POLICY, timeoutMs: 1_234, deadLetter: false },
    functionId: null,
    revisionId: null,
    trigger: "schedule",
    holdsPermits: false,
    hasCallbacks: false,
    traceparent: null,
  });
  assert.deepEqual(scheduledFor, run!.availableAt);
  assert.ok(startedAt >= scheduledFor);
  const stored = await findRun(store, namespaceId, claimed.id);
  assert.deepEqual([stored?.state, stored?.workerId, stored?.startedAt], ["running", workerId, startedAt]);
});

test("a claim brings the expressions that a function's task goes by, and no others", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const functionId = await deployFunction(db, namespaceId, "report");
  const spec = { type: "function", function: "report", input: null } as const;
  const cron = {
    kind: "cron",
    expression: ["0 9 * * *", "30 9 * * *"],
    timezone: "Europe/Rome",
    maxRuns: 1,
  } as const;
  const now = new Date(Date.now() - 3 * 86_400_000);
  const claimOf = async (input: TaskInput, of: string | null) => {
    await createTask(store, { namespaceId, input, functionId: of, now });
    const [run] = await stageDueTasks(store, now, new Date(now.getTime() + 86_400_000), 100);
    return await claim(store, workerId, run!.runId);
  };
  const excluding = { ...cron, expression: [...cron.expression], exclude: { dates: ["2026-12-25"] } };
  const { cronClock } = await claimOf(httpTask(excluding, { spec }), functionId);
  assert.deepEqual(cronClock, { expression: cron.expression, timezone: "Europe/Rome" });
  const every = httpTask({ kind: "every", everyMs: 60_000, maxRuns: 1 }, { spec });
  assert.equal((await claimOf(every, functionId)).cronClock, undefined);
  assert.equal((await claimOf(httpTask({ ...cron, expression: "0 9 * * *" }), null)).cronClock, undefined);
});

test("each run of a claim has its own task's policy, whatever the others have, and a run without a task that of calls", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "report");
  const given = [
    ...[{ timeoutMs: 1_000 }, { timeoutMs: 2_000 }, { deadLetter: false }, { ttlMs: 60_000 }],
    ...[{ retry: { ...DEFAULT_POLICY.retry, maxAttempts: 7 } }, {}, { pauseAfterFailures: 3 }, {}],
  ];
  const expected = new Map(
    await Promise.all(
      given.map(
        async (some) =>
          [
            await queueRun(store, namespaceId, some),
            { ...DEFAULT_POLICY, timeoutMs: 5_000, ...some },
          ] as const,
      ),
    ),
  );
  expected.set(await queueInvocation(store, namespaceId, "report", { timeoutMs: 700 }), {
    ...{ ...CALL_POLICY, timeoutMs: 700 },
  });
  // Whichever of them the policy is taken from that is told once.
  for (const count of [1, 3, 5]) {
    const claimed = await claimDue(store, workerId, count, 0);
    assert.equal(claimed.length, count);
    for (const { id, policy } of claimed) assert.deepEqual(policy, expected.get(id));
  }
});

test("nobody claims before the instant; the early run says how long it waits", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  assert.equal(await msUntilNextQueued(store), null);
  const runId = await queueEarlyRun(namespaceId);
  assert.deepEqual(await claimRuns(store, workerId, [runId]), []);
  assert.deepEqual(await claimDue(store, workerId, 10, 0), []);
  const [early] = await findEarlyRuns(store, [runId, newId()]);
  assert.equal(early?.id, runId);
  assert.ok(early.waitMs > 3_500_000 && early.waitMs <= 3_600_000, String(early.waitMs));
  const wait = await msUntilNextQueued(store);
  assert.ok(wait !== null && wait > 3_500_000 && wait <= 3_600_000, String(wait));
  await queueOverdueRun(namespaceId, 5_000);
  assert.equal(await msUntilNextQueued(store), 0);
});

test("of several workers that want the same runs each run goes to exactly one", async () => {
  const namespaceId = await newNamespace();
  const ids = await Promise.all(Array.from({ length: 120 }, () => queueRun(store, namespaceId)));
  const workers = await Promise.all(Array.from({ length: 6 }, () => makeWorker(db)));
  const shares = await Promise.all(workers.map((workerId) => claimRuns(store, workerId, ids)));
  assert.deepEqual(
    shares
      .flat()
      .map(({ id }) => id)
      .sort(),
    ids.sort(),
  );
  for (const [index, share] of shares.entries()) {
    for (const { id, claimNo } of share) {
      assert.equal(claimNo, 1);
      assert.equal((await findRun(store, namespaceId, id))?.workerId, workers[index]);
    }
  }
});

test("what is taken, gone or unknown is not claimed, what is queued beside it is", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const [taken, queued] = [await queueRun(store, namespaceId), await queueRun(store, namespaceId)];
  await claim(store, workerId, taken);
  const claimed = await claimRuns(store, await makeWorker(db), [taken, newId(), queued, queued]);
  assert.deepEqual(
    claimed.map(({ id }) => id),
    [queued],
  );
  assert.deepEqual(await claimRuns(store, workerId, []), []);
});

test("each claim of a run has a higher number", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const runId = await queueRun(store, namespaceId);
  for (const claimNo of [1, 2, 3]) {
    const claimed = await claim(store, workerId, runId);
    assert.equal(claimed.claimNo, claimNo);
    assert.equal(claimed.attempt, 1, "giving back does not count");
    assert.equal((await releaseRuns(store, workerId, [claimed]))[0]?.runId, runId);
  }
});

test("a sweep takes the longest overdue first, and only what is overdue", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const [young, oldest, old] = [
    await queueOverdueRun(namespaceId, 500),
    await queueOverdueRun(namespaceId, 30_000),
    await queueOverdueRun(namespaceId, 20_000),
  ];
  await queueEarlyRun(namespaceId);
  const sweep = async (limit: number, overdueMs: number) =>
    (await claimDue(store, workerId, limit, overdueMs)).map(({ id }) => id);
  assert.deepEqual(await sweep(1, 10_000), [oldest]);
  assert.deepEqual(await sweep(10, 10_000), [old]);
  assert.deepEqual(await sweep(10, 10_000), []);
  assert.deepEqual(await sweep(10, 0), [young]);
});

test("workers that sweep side by side share the backlog without overlap", async () => {
  const namespaceId = await newNamespace();
  const ids = await Promise.all(Array.from({ length: 100 }, () => queueOverdueRun(namespaceId, 5_000)));
  const sweepAll = async () => {
    const workerId = await makeWorker(db);
    const mine: string[] = [];
    for (;;) {
      const batch = await claimDue(store, workerId, 7, 0);
      if (batch.length === 0) return mine;
      assert.ok(batch.length <= 7);
      mine.push(...batch.map(({ id }) => id));
    }
  };
  const shares = await Promise.all([sweepAll(), sweepAll(), sweepAll(), sweepAll()]);
  assert.deepEqual([...shares.flat(), ...(await sweepAll())].sort(), ids.sort());
});

test("an invocation is tried once, and runs the revision that is active when it is claimed", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  const functionId = await deployFunction(db, namespaceId, "greet");
  const input = { name: "Ada" };
  const runId = await queueInvocation(store, namespaceId, "greet", { input, timeoutMs: 700 });
  const { fn } = await deployRevision(db, namespaceId, "greet", revision("a later one"));
  const claimed = await claim(store, workerId, runId);
  assert.deepEqual(claimed.spec, { type: "function", function: "greet", input });
  assert.equal(claimed.taskId, null);
  assert.deepEqual(claimed.policy, { ...CALL_POLICY, timeoutMs: 700 });
  assert.deepEqual([claimed.functionId, claimed.revisionId], [functionId, fn.revision.id]);
});

test("a claim of the best says how many it found, also of runs that now wait for a permit instead", async () => {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  await deployFunction(db, namespaceId, "one-by-one", { concurrency: 1 });
  for (let index = 0; index < 3; index += 1) await queueInvocation(store, namespaceId, "one-by-one");
  const unlimited = await queueRun(store, namespaceId);
  const first = await claimDueRuns(store, workerId, 3, 0);
  assert.deepEqual([first.runs.length, first.found], [1, 3], "there may be more than the three");
  const second = await claimDueRuns(store, workerId, 3, 0);
  assert.deepEqual([second.runs.map(({ id }) => id), second.found], [[unlimited], 1]);
});
