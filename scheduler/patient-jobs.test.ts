/** A job rests for ten minutes only where the look for work tells of all that it would find. */
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { NO_LIMITS } from "../core/domain/queue.ts";
import { createBulk } from "../core/store/bulk/bulk-actions.ts";
import { newId } from "../core/store/ids.ts";
import { savePlace } from "../core/store/joins/joinable-runs.ts";
import { lookAround } from "../core/store/look-around.ts";
import { pauseQueue, putQueue } from "../core/store/queues/queues.ts";
import { cancelRuns } from "../core/store/runs/cancel.ts";
import { finishAttempts } from "../core/store/runs/finish.ts";
import { createTask } from "../core/store/tasks/create.ts";
import {
  deferred,
  finished,
  type GivenTask,
  httpTask,
  makeWorker,
  queueRun,
  retryAfter,
  startRun,
} from "../core/store/testing/samples.ts";
import { openTestStore } from "../core/store/testing/test-store.ts";
import { inTransaction } from "../core/store/transaction.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { listJobs } from "./jobs.ts";
import { createQuiet } from "./quiet.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const HOUR_MS = 3_600_000;
const fromNow = (ms: number) => new Date(Date.now() + ms);
const CALLBACKS: GivenTask = { on: { always: [{ type: "http", url: "https://example.com/" }] } };

let namespaceId: string;
beforeEach(async () => {
  await clear();
  for (const table of [
    "run_callbacks",
    "bulk_actions",
    "queues",
    "run_limits",
    "expectations",
    "joinable_runs",
  ])
    await store.pool.query(`DELETE FROM ${table}`);
  namespaceId = await newNamespace();
});

const queue = (given: GivenTask = {}) => queueRun(store, namespaceId, given);

/** Of a worker that has no lease. */
const start = async () => {
  const workerId = newId();
  return { workerId, run: await startRun(store, namespaceId, workerId) };
};

/** It waits in the line of some key. */
async function lineUp(): Promise<void> {
  await queue();
  await store.pool.query(
    "UPDATE task_runs_open SET waiting_for = 'concurrency', waiting_key = 'rate:x', room = 'awaited'",
  );
}

async function pauseMail(): Promise<void> {
  await putQueue(store, namespaceId, "mail", { limits: NO_LIMITS });
  await pauseQueue(store, namespaceId, "mail", fromNow(HOUR_MS));
}

/** Due in an hour; with `columns` as SQL sets them. */
async function planLater(columns: string, given: GivenTask = {}): Promise<string> {
  const input = httpTask({ kind: "once", at: fromNow(HOUR_MS).toISOString() }, given);
  const { task } = await createTask(store, { namespaceId, input, now: new Date() });
  await store.pool.query(`UPDATE tasks SET ${columns} WHERE id = $1`, [task.id]);
  return task.id;
}

/** For what only tidies up: nobody waits for it, and it is not work by itself. */
const TIDIES = [] as const;

/** What each finds, and how it comes to be. */
const FOUND: Record<string, readonly (readonly [what: string, make: () => Promise<unknown>])[]> = {
  rescue: [["a run of a lost worker", start]],
  expiry: [
    ["a queued run", () => queue({ ttlMs: 1_000 })],
    ["one that waits for a permit", lineUp],
  ],
  "overdue completions": [
    [
      "a run that others complete",
      async () => {
        const { workerId, run } = await start();
        await finishAttempts(store, workerId, [deferred(run, workerId, fromNow(HOUR_MS))]);
      },
    ],
  ],
  "re-ring": [["a queued run", queue]],
  "permit counts": TIDIES,
  pauses: [
    [
      "a pause that is over",
      async () => {
        await pauseMail();
        await store.pool.query("UPDATE queues SET paused_until = now() - interval '1 second'");
      },
    ],
  ],
  "paused runs": [
    [
      "a run of a paused queue",
      async () => {
        await pauseMail();
        await queue({ queue: "mail" });
      },
    ],
  ],
  rates: [["a run that waits for its key", lineUp]],
  "queue keys": TIDIES,
  "bulk actions": [
    [
      "one that runs",
      () =>
        inTransaction(store.pool, (tx) =>
          createBulk(tx, {
            id: newId(),
            namespaceId,
            action: "cancel",
            resource: "runs",
            filter: {},
            traceparent: undefined,
          }),
        ),
    ],
  ],
  callbacks: [
    [
      "the end of a run that calls back",
      async () => void (await cancelRuns(store, namespaceId, { runId: await queue(CALLBACKS) })),
    ],
  ],
  expectations: [
    [
      "one that is to be looked at",
      () =>
        store.pool.query(
          `INSERT INTO expectations (namespace_id, task_id, run_id, scheduled_for, due_at, look_at)
           VALUES ($1, $2, $3, now(), now(), now() - interval '1 second')`,
          [namespaceId, newId(), newId()],
        ),
    ],
  ],
  "unfired tasks": [
    [
      "a task whose instant has passed",
      () => planLater("next_run_at = now() - interval '1 minute'", { expect: { withinMs: 1_000 } }),
    ],
  ],
  schedules: [
    ["an instant that nobody has searched for", () => planLater("next_run_at = NULL, seek_from = now()")],
    [
      "one that was searched for a minute ago",
      () => planLater("next_run_at = NULL, seek_from = now(), seek_tried_at = now() - interval '61 seconds'"),
    ],
  ],
  exclusions: [
    [
      "an exclusion that has passed",
      async () => {
        const taskId = await planLater("next_run_at = next_run_at");
        await store.pool.query(
          "INSERT INTO task_exclusions (task_id, namespace_id, settled_until) VALUES ($1, $2, now())",
          [taskId, namespaceId],
        );
      },
    ],
  ],
  "run fences": TIDIES,
};

/** Of the loops beside the jobs, which sleep as they do. */
const FOUND_BY_LOOPS: typeof FOUND = {
  staging: [
    ["a task that is due", () => planLater("next_run_at = now()")],
    [
      "a retry",
      async () => {
        const workerId = await makeWorker(db);
        const run = await startRun(store, namespaceId, workerId);
        await finishAttempts(store, workerId, [finished(run, workerId, retryAfter(HOUR_MS))]);
      },
    ],
  ],
  "ends of joining": [
    [
      "a run that calls may join",
      () =>
        inTransaction(store.pool, (tx) =>
          savePlace(
            tx,
            { namespaceId, scope: "x", key: "k" },
            { runId: newId(), openedAt: new Date(), dueAt: fromNow(HOUR_MS), count: 1, bytes: 1 },
          ),
        ),
    ],
  ],
};

describe("what waits for ten minutes where the look for work tells of nothing", () => {
  it("has a row here for each job", () => {
    const patient = listJobs(15_000, createQuiet(createManualClock())).filter(({ isPatient }) => isPatient);
    assert.deepEqual(
      patient.map(({ name }) => name),
      Object.keys(FOUND),
    );
  });

  for (const [seeker, found] of Object.entries({ ...FOUND, ...FOUND_BY_LOOPS }))
    for (const [what, make] of found)
      it(`${seeker}: the look tells of ${what}`, async () => {
        assert.equal((await lookAround(store)).hasWork, false);
        await make();
        assert.equal((await lookAround(store)).hasWork, true);
      });

  it("none of it is told of where it is not yet to be done", async () => {
    await planLater("next_run_at = NULL, seek_from = now(), seek_tried_at = now()");
    await pauseMail();
    const taskId = await planLater("next_run_at = next_run_at");
    await store.pool.query(
      `INSERT INTO task_exclusions (task_id, namespace_id, settled_until, look_at)
       VALUES ($1, $2, now(), now() + interval '1 hour')`,
      [taskId, namespaceId],
    );
    await store.pool.query(
      `INSERT INTO expectations (namespace_id, task_id, run_id, scheduled_for, due_at, look_at)
       VALUES ($1, $2, $3, now(), now(), now() + interval '1 hour')`,
      [namespaceId, taskId, newId()],
    );
    assert.equal((await lookAround(store)).hasWork, false);
  });
});
