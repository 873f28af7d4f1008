/** Events as readers of a namespace get them: each once, in one order, and never past a transaction that is under way. */
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { comparePositions, type EventPosition, FIRST_EVENT } from "../../domain/event-position.ts";
import { expired } from "../../domain/run-time-limits.ts";
import { newId } from "../ids.ts";
import { cancelRuns, discardDeadLetter } from "../runs/cancel.ts";
import { claimRuns } from "../runs/claim.ts";
import { redriveDeadLetters } from "../runs/dead-letters.ts";
import { finishAttempts, releaseRuns } from "../runs/finish.ts";
import { queueDueRetries } from "../runs/queue-retries.ts";
import { recordSkipped } from "../runs/skip.ts";
import { createTask } from "../tasks/create.ts";
import { cancelTask, removeTask } from "../tasks/end.ts";
import { pauseTask, resumeTask } from "../tasks/pause-resume.ts";
import { changeTask } from "../tasks/redefine.ts";
import {
  claim,
  finished,
  httpTask,
  makeWorker,
  queueRun,
  retryAfter,
  SAMPLE_ERROR,
  startRun,
} from "../testing/samples.ts";
import { stageDueTasks } from "../testing/stage-runs.ts";
import { openTestStore, untilEventsSettled } from "../testing/test-store.ts";
import { inTransaction } from "../transaction.ts";
import { currentEventPosition, type EventFilter, LONG_XIDS, readEvents, type StoredEvent } from "./read.ts";
import { removeExpiredEvents } from "./record.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);
const workerId = await makeWorker(db);
let namespaceId: string;
beforeEach(async () => {
  namespaceId = await newNamespace();
});

const settle = () => untilEventsSettled(store);

/** All that a reader gets who asks for so many at once. */
async function readAll(
  limit = 100,
  filter: EventFilter = {},
  after: EventPosition = FIRST_EVENT,
): Promise<StoredEvent[]> {
  const seen: StoredEvent[] = [];
  await settle();
  for (let from = after; ; ) {
    const { events, end, hasMore } = await readEvents(store, namespaceId, from, limit, filter);
    assert.ok(events.length <= limit);
    seen.push(...events);
    from = end;
    if (!hasMore) return seen;
  }
}

const typesOf = (events: StoredEvent[]) => events.map(({ type }) => type);
const typesOfRun = async (runId: string) => typesOf(await readAll(100, { runId }));

const finish = (run: Parameters<typeof finished>[0], verdict: Parameters<typeof finished>[2]) =>
  finishAttempts(store, workerId, [finished(run, workerId, verdict)]);
const SUCCEEDED = { state: "succeeded", result: null } as const;

describe("each thing that may happen to a run is told", () => {
  test("succeeded, failed and cancelled while it runs", async () => {
    for (const verdict of [
      SUCCEEDED,
      { state: "failed", error: SAMPLE_ERROR },
      { state: "cancelled" },
    ] as const) {
      const run = await startRun(store, namespaceId, workerId);
      assert.deepEqual(await typesOfRun(run.id), ["run.queued", "run.started"]);
      await finish(run, verdict);
      assert.deepEqual(await typesOfRun(run.id), ["run.queued", "run.started", `run.${verdict.state}`]);
    }
  });

  test("dead, redriven, dead again, discarded: a death stays told, and none is told twice", async () => {
    const run = await startRun(store, namespaceId, workerId);
    await finish(run, { state: "dead", error: SAMPLE_ERROR });
    const [, , dead] = await readAll(100, { runId: run.id });
    assert.equal(dead?.type, "run.dead");
    assert.deepEqual(dead.data["error"], SAMPLE_ERROR);
    await redriveDeadLetters(store, namespaceId, { runId: run.id });
    await finish(await claim(store, workerId, run.id), { state: "dead", error: SAMPLE_ERROR });
    await discardDeadLetter(store, namespaceId, run.id);
    assert.deepEqual(await typesOfRun(run.id), [
      ...["run.queued", "run.started", "run.dead"],
      ...["run.queued", "run.dead", "run.failed"],
    ]);
  });

  test("cancelled before it began; skipped; expired at the claim, where it has not begun", async () => {
    const waiting = await queueRun(store, namespaceId);
    await cancelRuns(store, namespaceId, { runId: waiting });
    assert.deepEqual(await typesOfRun(waiting), ["run.queued", "run.cancelled"]);
    const late = await startRun(store, namespaceId, workerId);
    await finish(late, { state: "expired", error: expired(1) });
    assert.deepEqual(await typesOfRun(late.id), ["run.queued", "run.expired"]);
    const { task } = await createTask(store, {
      ...{ namespaceId, now: new Date() },
      input: httpTask({ kind: "every", everyMs: 60_000 }),
    });
    const at = new Date().toISOString();
    await recordSkipped(store, [
      { taskId: task.id, skipped: { reason: "missed", count: 1, firstAt: at, lastAt: at } },
    ]);
    assert.deepEqual(typesOf(await readAll(100, { taskId: task.id })), ["task.created", "run.skipped"]);
  });

  test("a run that is tried again is told as queued and started once; one that is given back starts anew", async () => {
    const run = await startRun(store, namespaceId, workerId);
    const [, started] = await readAll(100, { runId: run.id });
    await finish(run, retryAfter(-1));
    await queueDueRetries(store, new Date(), 10);
    const second = await claim(store, workerId, run.id);
    assert.deepEqual((await readAll(100, { runId: run.id }))[1], started);
    await releaseRuns(store, workerId, [second]);
    assert.deepEqual((await readAll(100, { runId: run.id }))[1], started);
    await finish(await claim(store, workerId, run.id), SUCCEEDED);
    assert.deepEqual(await typesOfRun(run.id), ["run.queued", "run.started", "run.succeeded"]);

    const other = await startRun(store, namespaceId, workerId);
    await releaseRuns(store, workerId, [other]);
    assert.deepEqual(await typesOfRun(other.id), ["run.queued"]);
    await claim(store, workerId, other.id);
    assert.deepEqual(await typesOfRun(other.id), ["run.queued", "run.started"]);
  });
});

test("what becomes of a task is told, in the transaction that does it", async () => {
  const now = new Date();
  const input = httpTask({ kind: "every", everyMs: 3_600_000 }, { name: "hourly" });
  const { task } = await createTask(store, { namespaceId, input, now });
  await pauseTask(store, namespaceId, task.id, now);
  await pauseTask(store, namespaceId, task.id, now);
  await resumeTask(store, namespaceId, task.id, now);
  await changeTask(store, namespaceId, task.id, now, async () => ({
    ...{ input: { ...input, name: "renamed" }, functionId: null, reschedules: false },
  }));
  await assert.rejects(
    changeTask(store, namespaceId, task.id, now, async () => Promise.reject(new Error("no"))),
  );
  await cancelTask(store, namespaceId, task.id, now);
  await cancelTask(store, namespaceId, task.id, now);
  await removeTask(store, namespaceId, task.id, now);
  const events = await readAll(100, { taskId: task.id });
  assert.deepEqual(typesOf(events), [
    ...["task.created", "task.paused", "task.resumed", "task.changed", "task.cancelled", "task.deleted"],
  ]);
  assert.deepEqual(events[1]!.data, {
    ...{ name: "hourly", type: "http", state: "paused", pausedReason: "requested" },
    nextRunAt: null,
  });
  assert.equal(events[3]!.data["name"], "renamed");
});

test("a task whose last occurrence is staged is completed; one that goes on, or has no schedule, is not", async () => {
  const now = new Date();
  const at = new Date(now.getTime() + 500);
  const make = async (schedule: Parameters<typeof httpTask>[0]) =>
    (await createTask(store, { namespaceId, input: httpTask(schedule), now })).task.id;
  const once = await make({ kind: "once", at: at.toISOString() });
  const often = await make({ kind: "every", everyMs: 1_000 });
  const atOnce = await make({ kind: "now" });
  await stageDueTasks(store, now, new Date(now.getTime() + 5_000), 10);
  const types = async (taskId: string) => typesOf(await readAll(100, { taskId }));
  assert.deepEqual(await types(once), ["task.created", "task.completed", "run.queued"]);
  assert.deepEqual(await types(often), ["task.created", "run.queued"]);
  assert.deepEqual(await types(atOnce), ["task.created", "run.queued"]);
});

describe("the order", () => {
  test("is the same however many are asked for at once, and wherever a reader goes on", async () => {
    await makeHistory();
    const all = await readAll();
    assert.ok(all.length > 60);
    for (const [index, { position }] of all.entries())
      assert.ok(index === 0 || comparePositions(all[index - 1]!.position, position) < 0);
    for (const limit of [1, 7, 20]) assert.deepEqual(await readAll(limit), all);
    for (const index of [0, 3, 30, all.length - 1])
      assert.deepEqual(await readAll(10, {}, all[index]!.position), all.slice(index + 1));
  });

  test("of ends that one transaction brings about is that of the runs", async () => {
    const runs = [];
    for (let left = 12; left > 0; left -= 1) runs.push(await startRun(store, namespaceId, workerId));
    await finishAttempts(
      store,
      workerId,
      runs.map((run) => finished(run, workerId, SUCCEEDED)),
    );
    for (const limit of [1, 5, 100]) {
      const ends = (await readAll(limit)).filter(({ type }) => type === "run.succeeded");
      assert.deepEqual(
        ends.map(({ runId }) => runId),
        runs.map(({ id }) => id).sort(),
      );
    }
  });

  /** Runs in all places that they may be found in, of tasks and of none. */
  async function makeHistory(): Promise<void> {
    for (let turn = 0; turn < 6; turn += 1) {
      const long = await startRun(store, namespaceId, workerId);
      await queueRun(store, namespaceId);
      for (let left = 3; left > 0; left -= 1)
        await finish(await startRun(store, namespaceId, workerId), SUCCEEDED);
      const dead = await startRun(store, namespaceId, workerId);
      await finish(dead, { state: "dead", error: SAMPLE_ERROR });
      if (turn % 2 === 0) await redriveDeadLetters(store, namespaceId, { runId: dead.id });
      if (turn % 2 === 0) await finish(long, SUCCEEDED);
    }
    // Half of what has ended took long: as if many transactions had gone by.
    await store.pool.query(
      `UPDATE task_runs SET recorded_xid = recorded_xid + ${LONG_XIDS} + 500 * (n % 3) FROM (
         SELECT id AS run_id, row_number() OVER (ORDER BY id) AS n FROM task_runs WHERE namespace_id = $1 AND finished_at < 'infinity') k
       WHERE id = run_id AND n % 2 = 0 AND finished_at < 'infinity'`,
      [namespaceId],
    );
    const { rows } = await store.pool.query<{ last: string }>(
      "SELECT max(recorded_xid) - pg_current_xact_id()::text::bigint AS last FROM task_runs WHERE namespace_id = $1",
      [namespaceId],
    );
    await spendXids(Number(rows[0]!.last) + 2);
  }
});

async function spendXids(count: number): Promise<void> {
  if (count > 0)
    await store.pool.query(
      `DO $$ BEGIN FOR n IN 1..${count} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$`,
    );
}

describe("a transaction that is under way", () => {
  test("holds back what came after it, so that nobody passes by what it commits later", async () => {
    const [early, late] = [newId(), newId()];
    const insert = `INSERT INTO events (namespace_id, type, task_id, data) VALUES ($1, 'task.created', $2, '{}')`;
    const follower = await currentEventPosition(store);
    const seen: StoredEvent[] = [];
    let end = follower;
    const look = async () => {
      const found = await readEvents(store, namespaceId, end, 100);
      seen.push(...found.events);
      end = found.end;
    };
    await inTransaction(store.pool, async (tx) => {
      await tx.pool.query(insert, [namespaceId, early]);
      await store.pool.query(insert, [namespaceId, late]);
      await finish(await startRun(store, namespaceId, workerId), SUCCEEDED);
      await look();
      await look();
      assert.deepEqual(seen, []);
    });
    await settle();
    await look();
    await look();
    assert.deepEqual(seen.map(({ type, taskId }) => (type === "task.created" ? taskId : type)).slice(0, 2), [
      early,
      late,
    ]);
    assert.deepEqual(typesOf(seen).slice(3), ["run.queued", "run.started", "run.succeeded"]);
  });

  test("that began before a run was made cannot end it before it", async () => {
    let runId = "";
    await inTransaction(store.pool, async (tx) => {
      await tx.pool.query("SELECT pg_current_xact_id()");
      runId = await queueRun(store, namespaceId);
      await cancelRuns(tx, namespaceId, { runId });
    });
    assert.deepEqual(await typesOfRun(runId), ["run.queued", "run.cancelled"]);
  });
});

test("many readers and writers at once: each reader gets each event once, in one order", async () => {
  const RUNS = 60;
  let isOver = false;
  const start = await currentEventPosition(store);
  const follow = async (limit: number) => {
    const seen: StoredEvent[] = [];
    let end = start;
    for (let isLast = false; ; isLast = isOver) {
      const wasOver = isOver;
      const found = await readEvents(store, namespaceId, end, limit);
      seen.push(...found.events);
      end = found.end;
      if (isLast && wasOver && !found.hasMore) return seen;
    }
  };
  const followers = [1, 3, 50].map(follow);
  const write = async () => {
    for (let left = RUNS / 4; left > 0; left -= 1) {
      const runId = await queueRun(store, namespaceId);
      const [run] = await claimRuns(store, workerId, [runId]);
      await finish(run!, left % 3 === 0 ? { state: "dead", error: SAMPLE_ERROR } : SUCCEEDED);
      if (left % 6 === 0) await redriveDeadLetters(store, namespaceId, { runId });
    }
  };
  await Promise.all([write(), write(), write(), write()]);
  await settle();
  isOver = true;
  const all = await readAll();
  for (const seen of await Promise.all(followers)) assert.deepEqual(seen, all);
  const counts = Object.groupBy(all, ({ type }) => type);
  assert.equal(counts["task.created"]?.length, RUNS);
  assert.equal(counts["run.started"]?.length, RUNS);
  assert.equal((counts["run.succeeded"]?.length ?? 0) + (counts["run.dead"]?.length ?? 0), RUNS);
});

test("nobody sees what is another namespace's", async () => {
  const run = await startRun(store, namespaceId, workerId);
  namespaceId = await newNamespace();
  assert.deepEqual(await readAll(), []);
  assert.deepEqual(await readAll(10, { runId: run.id }), []);
  assert.deepEqual(await readAll(10, { taskId: run.taskId! }), []);
});

test("rows of events go after a while, the oldest first", async () => {
  await queueRun(store, namespaceId);
  assert.equal(await removeExpiredEvents(store, new Date(Date.now() - 3_600_000), 10_000), 0);
  const removed = await removeExpiredEvents(store, new Date(Date.now() + 3_600_000), 10_000);
  assert.ok(removed > 0);
  assert.deepEqual(typesOf(await readAll()), ["run.queued"]);
});
