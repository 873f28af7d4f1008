import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it, type TestContext, test } from "node:test";
import { sql } from "kysely";
import type { Clock } from "../core/clock.ts";
import type { Store } from "../core/store/database.ts";
import { newId } from "../core/store/ids.ts";
import { claimRuns } from "../core/store/runs/claim.ts";
import { finishAttempts } from "../core/store/runs/finish.ts";
import { createTestDatabase, type TestDatabase } from "../test/support/database.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { seedNamespace, seedRun, seedTask } from "../test/support/seed-tasks.ts";
import {
  decideSleepMs,
  MAX_SLEEP_MS,
  STAGE_AHEAD_MS,
  STAGE_BATCH,
  type StageReport,
  stagePass,
  startStageLoop,
} from "./stage.ts";

const NOW = new Date("2026-03-01T12:00:00Z");
const inMs = (ms: number, from: Date = NOW) => new Date(from.getTime() + ms);

test("the sleep ends a stage ahead of the next instant, and lasts a minute at most", () => {
  for (const [next, sleepMs] of [
    [null, MAX_SLEEP_MS],
    [inMs(10_000), 10_000 - STAGE_AHEAD_MS],
    [inMs(STAGE_AHEAD_MS + 1), 1],
    [inMs(STAGE_AHEAD_MS), 0],
    [inMs(1), 0],
    [inMs(-86_400_000), 0],
    [inMs(MAX_SLEEP_MS + STAGE_AHEAD_MS), MAX_SLEEP_MS],
    [inMs(40 * 86_400_000), MAX_SLEEP_MS],
  ] as const) {
    assert.equal(decideSleepMs(next, NOW), sleepMs, `next ${next?.toISOString()}`);
  }
});

describe("staging", () => {
  let database: TestDatabase;
  let store: Store;
  let namespaceId: string;

  before(async () => {
    database = await createTestDatabase();
    store = database.store;
    namespaceId = await seedNamespace(store);
  });
  after(() => database.drop());
  beforeEach(() => sql`TRUNCATE tasks, task_runs`.execute(store.db));

  const seedOnce = async (ms: number, from: Date) =>
    (
      await seedTask(
        store,
        namespaceId,
        { schedule: { kind: "once", at: inMs(ms, from).toISOString() } },
        from,
      )
    ).task.id;
  const countRuns = async () =>
    (await sql<{ count: number }>`SELECT count(*)::int AS count FROM task_runs_open`.execute(store.db))
      .rows[0]!.count;

  it("stages what is due soon, once, and leaves the rest", async () => {
    const clock = createManualClock();
    const now = clock.now();
    await seedOnce(STAGE_AHEAD_MS, now);
    await seedOnce(STAGE_AHEAD_MS + 1, now);
    const { staged, retries, more } = await stagePass(store, clock);
    assert.deepEqual(
      staged.map(({ availableAt }) => availableAt),
      [inMs(STAGE_AHEAD_MS, now)],
    );
    assert.deepEqual({ retries, more }, { retries: [], more: false });
    assert.deepEqual((await stagePass(store, clock)).staged, []);
    assert.equal(await countRuns(), 1);
  });

  it("queues retries whose instant comes soon", async () => {
    const { runId } = await seedRun(store, namespaceId);
    const workerId = newId();
    const [claimed] = await claimRuns(store, workerId, [runId]);
    const clock = createManualClock();
    const availableAt = inMs(5_000, clock.now());
    await finishAttempts(store, workerId, [
      {
        ...{ runId, claimNo: claimed!.claimNo, namespaceId, taskId: claimed!.taskId, type: "http" },
        ...{ functionId: null, revisionId: null, logs: [] },
        verdict: { state: "scheduled", availableAt, error: { code: "http_status", message: "503" } },
        record: { attempt: 1, workerId, startedAt: null, finishedAt: availableAt.toISOString(), error: null },
      },
    ]);
    assert.deepEqual((await stagePass(store, clock)).retries, []);
    await clock.advance(5_000 - STAGE_AHEAD_MS);
    assert.deepEqual((await stagePass(store, clock)).retries, [{ runId, availableAt }]);
  });

  it("says that there is more when a batch was full", async () => {
    const clock = createManualClock();
    const seeded = await seedOnce(0, clock.now());
    await sql`INSERT INTO tasks SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid()))).*
      FROM tasks t, generate_series(1, ${STAGE_BATCH}) WHERE t.id = ${seeded}`.execute(store.db);
    const first = await stagePass(store, clock);
    assert.deepEqual([first.staged.length, first.more], [STAGE_BATCH, true]);
    const second = await stagePass(store, clock);
    assert.deepEqual([second.staged.length, second.more], [1, false]);
  });

  it("schedulers that pass together stage each occurrence once", async () => {
    const clock = createManualClock();
    for (let count = 0; count < 60; count += 1) await seedOnce(count, clock.now());
    const reports = await Promise.all([1, 2, 3].map(() => stagePass(store, clock)));
    const rest = await stagePass(store, clock);
    const ids = [...reports, rest].flatMap(({ staged }) => staged.map(({ runId }) => runId));
    assert.equal(new Set(ids).size, 60);
    assert.equal(ids.length, 60);
    assert.equal(await countRuns(), 60);
  });

  /** A running loop and what it does: each pass that staged something, each sleep it takes. */
  function startLoop(t: TestContext) {
    const manual = createManualClock();
    const sleeps: number[] = [];
    let onSleep = Promise.withResolvers<number>();
    const clock: Clock = {
      now: manual.now,
      sleep(ms, signal) {
        const sleeping = manual.sleep(ms, signal);
        sleeps.push(ms);
        onSleep.resolve(ms);
        return sleeping;
      },
    };
    const staged: StageReport["staged"] = [];
    const failures: unknown[] = [];
    let onPass: (() => void) | undefined;
    const loop = startStageLoop(store, clock, {
      staged(report) {
        staged.push(...report.staged);
        onPass?.();
      },
      failed: (error) => void failures.push(error),
    });
    t.after(() => loop.stop());
    return {
      clock: manual,
      loop,
      staged,
      sleeps,
      failures,
      onNextPass(callback: () => void) {
        onPass = () => {
          onPass = undefined;
          callback();
        };
      },
      /** Resolves with the length of the next sleep, or of the one that began since the last call. */
      async asleep(): Promise<number> {
        const ms = await onSleep.promise;
        onSleep = Promise.withResolvers();
        return ms;
      },
    };
  }

  it("the loop sleeps a minute when nothing waits, and looks again", async (t) => {
    const { clock, asleep, staged } = startLoop(t);
    assert.equal(await asleep(), MAX_SLEEP_MS);
    await seedOnce(0, clock.now());
    await clock.advance(MAX_SLEEP_MS);
    assert.equal(await asleep(), MAX_SLEEP_MS);
    assert.equal(staged.length, 1);
  });

  it("the loop sleeps until a stage ahead of the next instant, then stages it", async (t) => {
    const { clock, asleep, staged, loop } = startLoop(t);
    await asleep();
    const start = clock.now();
    await seedOnce(10_000, start);
    await seedOnce(3_600_000, start);
    loop.wake();
    assert.equal(await asleep(), 10_000 - STAGE_AHEAD_MS);
    assert.deepEqual(staged, []);
    await clock.advance(10_000 - STAGE_AHEAD_MS);
    assert.equal(await asleep(), MAX_SLEEP_MS);
    assert.deepEqual(
      staged.map(({ availableAt }) => availableAt),
      [inMs(10_000, start)],
    );
  });

  it("wake ends the sleep", async (t) => {
    const { clock, asleep, staged, loop } = startLoop(t);
    await asleep();
    await seedOnce(0, clock.now());
    loop.wake();
    await asleep();
    assert.equal(staged.length, 1);
  });

  it("a wake while a pass is under way is followed by another pass, without a sleep between", async (t) => {
    const { clock, asleep, staged, loop, onNextPass, sleeps } = startLoop(t);
    await asleep();
    const seeded = Promise.withResolvers<void>();
    onNextPass(() => {
      seedOnce(0, clock.now()).then(() => {
        loop.wake();
        seeded.resolve();
      }, seeded.reject);
    });
    const before = sleeps.length;
    loop.wake();
    await seeded.promise;
    while (staged.length === 0) await asleep();
    assert.ok(sleeps.slice(before).every((ms) => ms === MAX_SLEEP_MS));
    assert.equal(staged.length, 1);
  });

  it("a pass that fails is reported and tried again soon", async (t) => {
    await sql`ALTER TABLE tasks RENAME TO hidden_tasks`.execute(store.db);
    const { clock, asleep, staged, failures } = startLoop(t);
    const waitMs = await asleep();
    await sql`ALTER TABLE hidden_tasks RENAME TO tasks`.execute(store.db);
    assert.equal(failures.length, 1);
    assert.equal(waitMs, 500);
    await seedOnce(0, clock.now());
    await clock.advance(waitMs);
    assert.equal(await asleep(), MAX_SLEEP_MS);
    assert.equal(staged.length, 1);
    assert.equal(failures.length, 1);
  });

  it("stop ends a sleeping loop, and it looks no more", async (t) => {
    const { clock, asleep, staged, loop } = startLoop(t);
    await asleep();
    await loop.stop();
    await seedOnce(0, clock.now());
    loop.wake();
    await clock.advance(MAX_SLEEP_MS);
    assert.deepEqual(staged, []);
    assert.equal(await countRuns(), 0);
  });
});
