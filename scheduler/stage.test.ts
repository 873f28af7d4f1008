import assert from "node:assert/strict";
import { beforeEach, describe, it, type TestContext, test } from "node:test";
import { sql } from "kysely";
import type { Clock } from "../core/clock.ts";
import { MAX_SLEEP_MS, STAGE_AHEAD_MS, STAGE_BATCH } from "../core/domain/staging.ts";
import { claimRuns } from "../core/store/runs/claim.ts";
import { finishAttempts } from "../core/store/runs/finish.ts";
import { createTask } from "../core/store/tasks/create.ts";
import { finished, httpTask, makeWorker, SAMPLE_ERROR, startRun } from "../core/store/testing/samples.ts";
import { openTestStore } from "../core/store/testing/test-store.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { ASLEEP_MS, createQuiet } from "./quiet.ts";
import { decideSleepMs, type StageReport, stagePass, startStageLoop } from "./stage.ts";

const NOW = new Date("2026-03-01T12:00:00Z");
const inMs = (ms: number, from: Date = NOW) => new Date(from.getTime() + ms);

test("the sleep ends a stage ahead of the next instant, and lasts five seconds at most", () => {
  for (const [next, sleepMs] of [
    [null, MAX_SLEEP_MS],
    [inMs(4_000), 4_000 - STAGE_AHEAD_MS],
    [inMs(STAGE_AHEAD_MS + 1), 1],
    [inMs(STAGE_AHEAD_MS), 0],
    [inMs(1), 0],
    [inMs(-86_400_000), 0],
    [inMs(MAX_SLEEP_MS + STAGE_AHEAD_MS), MAX_SLEEP_MS],
    [inMs(40 * 86_400_000), MAX_SLEEP_MS],
  ] as const) {
    const instants = { due: next, retry: null, held: null, hasWaiting: false };
    assert.equal(decideSleepMs(instants, NOW), sleepMs, `next ${next?.toISOString()}`);
  }
  const held = { due: null, retry: null, held: inMs(4_000), hasWaiting: false };
  assert.equal(decideSleepMs(held, NOW), 4_000, "a held run is decided about at its instant");
  assert.equal(decideSleepMs({ ...held, held: inMs(-1) }, NOW), 0);
  assert.equal(decideSleepMs({ ...held, hasWaiting: true }, NOW), 1_000, "its turn may come any time");
});

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();

describe("staging", () => {
  beforeEach(clear);

  async function seedOnce(ms: number, from: Date): Promise<void> {
    const input = httpTask({ kind: "once", at: inMs(ms, from).toISOString() });
    await createTask(store, { namespaceId, input, now: from });
  }
  const countRuns = async () =>
    (await sql<{ count: number }>`SELECT count(*)::int AS count FROM task_runs_open`.execute(db)).rows[0]!
      .count;

  it("stages what is due soon, once, and leaves the rest", async () => {
    const clock = createManualClock();
    const now = clock.now();
    await seedOnce(STAGE_AHEAD_MS, now);
    await seedOnce(STAGE_AHEAD_MS + 1, now);
    const { staged, skipped: _none, settled, retries, more } = await stagePass(store, clock);
    assert.deepEqual(
      staged.map(({ availableAt }) => availableAt),
      [inMs(STAGE_AHEAD_MS, now)],
    );
    assert.deepEqual({ retries, more, started: settled.started }, { retries: [], more: false, started: [] });
    assert.deepEqual((await stagePass(store, clock)).staged, []);
    assert.equal(await countRuns(), 1);
  });

  it("stages the next instant in place of a last one that is skipped, at once", async () => {
    const clock = createManualClock();
    const workerId = await makeWorker(db);
    const schedule = { kind: "every", everyMs: 1_000, maxRuns: 2 } as const;
    const input = httpTask(schedule, { overlap: "skip" });
    const { task } = await createTask(store, { namespaceId, input, now: clock.now() });
    const find = async () =>
      (
        await sql<{ next: Date | null; seeks: boolean }>`
          SELECT next_run_at AS next, seek_from IS NOT NULL AS seeks FROM tasks WHERE id = ${task.id}`.execute(
          db,
        )
      ).rows[0]!;
    const runIds: string[] = [];
    const skipped: string[] = [];
    while (skipped.length === 0) {
      await clock.advance(1_000);
      const report = await stagePass(store, clock);
      runIds.push(...report.staged.map(({ runId }) => runId));
      if (runIds.length > 0) await claimRuns(store, workerId, runIds);
      skipped.push(...report.settled.skipped.map(() => "skipped"));
      assert.ok(runIds.length <= 2);
    }
    const { next, seeks } = await find();
    assert.equal(seeks, false);
    assert.ok(next && next > inMs(-1_000, clock.now()), "it is not over, and nothing is missed");
  });

  it("queues retries whose instant comes soon", async () => {
    const workerId = await makeWorker(db);
    const run = await startRun(store, namespaceId, workerId);
    const clock = createManualClock();
    const availableAt = inMs(5_000, clock.now());
    const verdict = { state: "scheduled", availableAt, error: SAMPLE_ERROR } as const;
    await finishAttempts(store, workerId, [finished(run, workerId, verdict)]);
    assert.deepEqual((await stagePass(store, clock)).retries, []);
    await clock.advance(5_000 - STAGE_AHEAD_MS);
    assert.deepEqual((await stagePass(store, clock)).retries, [
      { runId: run.id, availableAt, traceparent: null },
    ]);
  });

  it("tells which instants became no run", async () => {
    const clock = createManualClock();
    const every = (anchorMs: number) =>
      createTask(store, {
        namespaceId,
        input: httpTask({ kind: "every", everyMs: 60_000 }),
        now: inMs(anchorMs, clock.now()),
      });
    await every(-59_500);
    await every(-90_000);
    await every(-150_000);
    const { staged, skipped } = await stagePass(store, clock);
    const lateMs = staged.map(({ availableAt }) => clock.now().getTime() - availableAt.getTime());
    assert.deepEqual(lateMs, [30_000, 30_000, -500]);
    assert.deepEqual(
      skipped.map(({ reason, count }) => [reason, count]),
      [["missed", 1]],
    );
  });

  it("says that there is more when a batch was full", async () => {
    const clock = createManualClock();
    await seedOnce(0, clock.now());
    await sql`INSERT INTO tasks SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid()))).*
      FROM tasks t, generate_series(1, ${STAGE_BATCH})`.execute(db);
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
    const quiet = createQuiet(manual);
    const sleeps: number[] = [];
    let onSleep = Promise.withResolvers<number>();
    const clock: Clock = {
      ...manual,
      sleep(ms, signal) {
        const sleeping = manual.sleep(ms, signal);
        sleeps.push(ms);
        onSleep.resolve(ms);
        return sleeping;
      },
    };
    const staged: StageReport["staged"] = [];
    const failures: unknown[] = [];
    let passes = 0;
    let onPass: (() => void) | undefined;
    const on = {
      staged(report: StageReport) {
        staged.push(...report.staged);
        passes += 1;
        onPass?.();
      },
      failed: (error: unknown) => void failures.push(error),
    };
    const loop = startStageLoop(store, clock, on, { quiet });
    t.after(() => loop.stop());
    return {
      quiet,
      clock: manual,
      loop,
      staged,
      sleeps,
      failures,
      passes: () => passes,
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

  it("the loop sleeps its longest when nothing waits, and looks again", async (t) => {
    const { clock, asleep, staged } = startLoop(t);
    assert.equal(await asleep(), MAX_SLEEP_MS);
    await seedOnce(0, clock.now());
    await clock.advance(MAX_SLEEP_MS);
    assert.equal(await asleep(), MAX_SLEEP_MS);
    assert.equal(staged.length, 1);
  });

  it("asleep, the loop sleeps for a minute, until a look tells of something", async (t) => {
    const { clock, quiet, asleep, staged } = startLoop(t);
    assert.equal(await asleep(), MAX_SLEEP_MS);
    await clock.advance(MAX_SLEEP_MS);
    assert.equal(await asleep(), MAX_SLEEP_MS);
    quiet.note({ hasWork: false, hasCalls: false, hasShares: false });
    await clock.advance(MAX_SLEEP_MS);
    assert.equal(await asleep(), MAX_SLEEP_MS, "it has not been quiet for ten seconds");
    quiet.note({ hasWork: false, hasCalls: false, hasShares: false });
    await clock.advance(MAX_SLEEP_MS);
    assert.equal(await asleep(), ASLEEP_MS);
    await seedOnce(0, clock.now());
    quiet.stir();
    assert.equal(await asleep(), MAX_SLEEP_MS);
    assert.equal(staged.length, 1);
  });

  it("asleep, a bell waits for no job that is at work", async (t) => {
    const { clock, quiet, asleep, staged, loop } = startLoop(t);
    await asleep();
    await clock.advance(MAX_SLEEP_MS);
    await asleep();
    await clock.advance(MAX_SLEEP_MS);
    await asleep();
    quiet.note({ hasWork: false, hasCalls: false, hasShares: false });
    await clock.advance(MAX_SLEEP_MS);
    assert.equal(await asleep(), ASLEEP_MS);
    const hanging = Promise.withResolvers<void>();
    const job = quiet.inTurn(() => hanging.promise, new AbortController().signal);
    await seedOnce(0, clock.now());
    loop.wake();
    await asleep();
    assert.equal(staged.length, 1);
    hanging.resolve();
    await job;
  });

  it("the loop sleeps until a stage ahead of the next instant, then stages it", async (t) => {
    const { clock, asleep, staged, loop } = startLoop(t);
    await asleep();
    const start = clock.now();
    await seedOnce(4_000, start);
    await seedOnce(3_600_000, start);
    loop.wake();
    assert.equal(await asleep(), 1_000, "somebody may be making a herd");
    await clock.advance(1_000);
    assert.equal(await asleep(), 3_000 - STAGE_AHEAD_MS);
    assert.deepEqual(staged, []);
    await clock.advance(3_000 - STAGE_AHEAD_MS);
    assert.equal(await asleep(), MAX_SLEEP_MS);
    assert.deepEqual(
      staged.map(({ availableAt }) => availableAt),
      [inMs(4_000, start)],
    );
  });

  it("the loop stages a herd early enough to be through by its instant", async (t) => {
    const { clock, asleep, staged } = startLoop(t);
    await asleep();
    const start = clock.now();
    await seedOnce(9_000, start);
    await sql`INSERT INTO tasks SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid()))).*
      FROM tasks t, generate_series(2, ${4 * STAGE_BATCH})`.execute(db);
    await clock.advance(MAX_SLEEP_MS);
    assert.equal(
      await asleep(),
      2_000,
      "four passes, of which each may take a quarter of a second, begin a second earlier",
    );
    assert.deepEqual(staged, []);
    await clock.advance(2_000);
    await asleep();
    assert.equal(staged.length, 4 * STAGE_BATCH);
    assert.equal(await countRuns(), 4 * STAGE_BATCH);
    assert.equal(clock.now().getTime() - start.getTime(), 7_000);
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
    const { asleep, loop, passes, sleeps, onNextPass } = startLoop(t);
    await asleep();
    assert.deepEqual([passes(), sleeps.length], [1, 1]);
    onNextPass(() => loop.wake());
    loop.wake();
    await asleep();
    assert.deepEqual([passes(), sleeps.length], [3, 2]);
  });

  it("a pass that fails is reported and tried again soon", async (t) => {
    await sql`ALTER TABLE tasks RENAME TO hidden_tasks`.execute(db);
    const { clock, asleep, staged, failures } = startLoop(t);
    const waitMs = await asleep();
    await sql`ALTER TABLE hidden_tasks RENAME TO tasks`.execute(db);
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
