import assert from "node:assert/strict";
import { beforeEach, describe, it, type TestContext } from "node:test";
import { sql } from "kysely";
import { v7 } from "uuid";
import type { Clock } from "../core/clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../core/config/function-caps.ts";
import { readSettings } from "../core/config/settings.ts";
import { DEFAULT_POLICY } from "../core/contracts/task-policy.ts";
import type { BulkAction } from "../core/domain/bulk.ts";
import { functionKey } from "../core/domain/limit-keys.ts";
import { QueueAway } from "../core/queue/bounded-sends.ts";
import type { Bell, DeadLetter, QueueTransport } from "../core/queue/transport.ts";
import { openRunEnds } from "../core/run-ends/open-run-ends.ts";
import { trueTime } from "../core/schedule-time.ts";
import { createBulk, findBulk } from "../core/store/bulk/bulk-actions.ts";
import { CALLBACK_BATCH } from "../core/store/callbacks/make-callbacks.ts";
import { askServer, createLeaseJudge } from "../core/store/contact.ts";
import { newId } from "../core/store/ids.ts";
import { LOOK_AHEAD_MS } from "../core/store/look-around.ts";
import type { Channel, Notifier } from "../core/store/notify.ts";
import { cancelRuns } from "../core/store/runs/cancel.ts";
import { claimRuns } from "../core/store/runs/claim.ts";
import { enqueueInvocation } from "../core/store/runs/enqueue.ts";
import { findRun } from "../core/store/runs/read.ts";
import { createTask } from "../core/store/tasks/create.ts";
import { listTasks } from "../core/store/tasks/read.ts";
import {
  ANY_TIME,
  deployFunction,
  httpTask,
  makeWorker,
  queueInvocation,
  queueRun,
  startRun,
} from "../core/store/testing/samples.ts";
import { openTestStore, until } from "../core/store/testing/test-store.ts";
import { inTransaction } from "../core/store/transaction.ts";
import { createLogger, type Logger } from "../core/telemetry/log.ts";
import { createDatabaseStatsMetrics } from "../core/telemetry/metrics/database-stats.ts";
import { createRegistry } from "../core/telemetry/metrics/registry.ts";
import { createSchedulerMetrics } from "../core/telemetry/metrics/scheduler.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { countRescued } from "./count-rescued.ts";
import { type Job, PassedOver } from "./job.ts";
import { listJobs, OVERDUE_MS } from "./jobs.ts";
import { ASLEEP_MS, createQuiet, NEVER_QUIET, PATIENT_MS, type Quiet, untilRound } from "./quiet.ts";
import { createReringBackoff } from "./rering-overdue.ts";
import { restAfter, startJobs } from "./run-jobs.ts";
import { createTurns } from "./turns.ts";

const LEASE_MS = 1_000;
const QUIET = createQuiet(createManualClock());
const DEFAULT_CAPS = toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {}));
const ONE_ATTEMPT = { ...DEFAULT_POLICY.retry, maxAttempts: 1 };

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();

describe("background jobs", () => {
  beforeEach(clear);

  /** What the jobs are given, and what they did with it. */
  function openContext(given: { clock?: Clock; leaseMs?: number } = {}) {
    const clock = given.clock ?? createManualClock(new Date());
    const published: DeadLetter[][] = [];
    const rung: Bell[][] = [];
    const notified: [Channel, string[]][] = [];
    const transport: QueueTransport = {
      name: "kafka",
      async ring(bells) {
        rung.push(bells);
      },
      async publishDeadLetters(letters) {
        published.push(letters);
      },
      consume: () => assert.fail("the scheduler consumes nothing"),
      async checkReady() {},
      async close() {},
    };
    const notifier: Notifier = {
      notify: (channel, ids = []) => void notified.push([channel, ids]),
      async flush() {},
    };
    const registry = createRegistry("scheduler");
    const warned: string[] = [];
    const warn = (_fields: object, message: string) => void warned.push(message);
    const log = { ...createLogger("scheduler", "silent"), warn } as Logger;
    const metrics = createSchedulerMetrics(registry);
    const context = {
      store,
      clock,
      time: trueTime(clock),
      transport,
      ends: openRunEnds({ store, notifier, transport, log, metrics }, [countRescued(metrics, log)]),
      ...{ log, metrics, notifier },
      functionCaps: DEFAULT_CAPS,
      stats: createDatabaseStatsMetrics(registry),
      aheadMs: 2_000,
      leaseMs: given.leaseMs ?? 1,
      judge: ANY_TIME,
      retentionDays: 30,
      auditRetentionDays: 400,
    };
    return { context, published, rung, notified, warned, registry };
  }

  function jobNamed(name: string) {
    const job = listJobs(LEASE_MS, QUIET).find((each) => each.name === name);
    assert.ok(job, `there is a job ${name}`);
    return job;
  }
  const pass = (
    name: string,
    context: ReturnType<typeof openContext>["context"],
    backoff = createReringBackoff(),
  ) => jobNamed(name).run(context, backoff, new AbortController().signal);

  /** A run in the hands of a worker that never had a lease. */
  const loseRun = (given: Parameters<typeof startRun>[3] = {}) =>
    startRun(store, namespaceId, newId(), given);

  it("callbacks: those that no end of a run has made are made, however many, and rung", async () => {
    const on = { always: [{ type: "http" as const, url: "https://example.com/" }] };
    const input = httpTask({ kind: "now" }, { on });
    for (let made = 0; made <= CALLBACK_BATCH; made += 1) {
      const { run } = await createTask(store, { namespaceId, input, now: new Date() });
      await cancelRuns(store, namespaceId, { runId: run!.runId });
    }
    const { context, rung } = openContext();
    await pass("callbacks", context);
    assert.equal(rung.flat().length, CALLBACK_BATCH + 1);
    await pass("callbacks", context);
    assert.equal(rung.flat().length, CALLBACK_BATCH + 1);
    assert.equal(jobNamed("callbacks").everyMs, 1_000);
  });

  it("idempotency keys: those past a day are removed, however many", async () => {
    await store.pool.query(
      `INSERT INTO idempotency_keys (namespace_id, operation, key, request_hash, made_id, created_at)
       SELECT $1, 'x', n, sha256(''), gen_random_uuid(), now() - CASE WHEN n = 1 THEN '1 hour' ELSE '25 hours' END::interval
       FROM generate_series(1, 10002) AS n`,
      [namespaceId],
    );
    await pass("idempotency keys", openContext().context);
    const { rows } = await store.pool.query("SELECT key FROM idempotency_keys");
    assert.deepEqual(rows, [{ key: "1" }]);
  });

  it("mailbox: captured e-mails go with the retention, however many", async () => {
    const { context } = openContext();
    await store.pool.query(
      `INSERT INTO captured_emails (id, namespace_id, run_id, captured_at, bytes, message)
       SELECT gen_random_uuid(), $1, gen_random_uuid(), $2::timestamptz - n * interval '1 day', 2, '{}'
       FROM generate_series(1, 300) AS n`,
      [namespaceId, context.clock.now()],
    );
    await pass("mailbox", context);
    const { rows } = await store.pool.query("SELECT count(*)::int AS count FROM captured_emails");
    assert.deepEqual(rows, [{ count: 30 }]);
  });

  async function askForBulk(action: BulkAction, filter: object): Promise<string> {
    const facts = {
      id: newId(),
      namespaceId,
      action,
      resource: "runs",
      filter,
      traceparent: undefined,
    } as const;
    return (await inTransaction(store.pool, (tx) => createBulk(tx, facts))).id;
  }

  it("bulk actions: all that run are driven to their ends, and what they did is told as single requests tell it", async () => {
    const { context, rung, notified } = openContext();
    const workerId = await makeWorker(db);
    const waiting = await queueRun(store, namespaceId);
    const running = await startRun(store, namespaceId, workerId);
    const cancel = await askForBulk("cancel", {});
    const replay = await askForBulk("replay", {});
    await pass("bulk actions", context);
    for (const id of [cancel, replay])
      assert.equal((await findBulk(store, namespaceId, id))?.state, "succeeded");
    assert.equal((await findBulk(store, namespaceId, cancel))?.done, 2);
    assert.deepEqual(notified, [["bellhop_cancel", [running.id]]]);
    const [bell, ...others] = rung.flat();
    assert.deepEqual(others, []);
    assert.equal((await findRun(store, namespaceId, bell!.runId))?.replayOf, waiting);
  });

  it("bulk actions: the job ends between two batches when the scheduler stops", async () => {
    const { context } = openContext();
    await queueRun(store, namespaceId);
    const id = await askForBulk("cancel", {});
    await jobNamed("bulk actions").run(context, createReringBackoff(), AbortSignal.abort());
    assert.equal((await findBulk(store, namespaceId, id))?.done, 0);
    await pass("bulk actions", context);
    assert.equal((await findBulk(store, namespaceId, id))?.done, 1);
  });

  it("ended bulk actions: they go with the retention", async () => {
    const { context } = openContext();
    const id = await askForBulk("cancel", {});
    await pass("bulk actions", context);
    await pass("ended bulk actions", context);
    assert.ok(await findBulk(store, namespaceId, id));
    const later = openContext({ clock: createManualClock(new Date(Date.now() + 31 * 86_400_000)) });
    await pass("ended bulk actions", later.context);
    assert.equal(await findBulk(store, namespaceId, id), undefined);
  });

  it("finished tasks: those past the retention without a run are removed, however many", async () => {
    const { context } = openContext();
    const old = new Date(context.clock.now().getTime() - 31 * 86_400_000);
    const input = httpTask({ kind: "now" });
    for (let made = 0; made < 3; made += 1)
      await createTask(store, { namespaceId, input, now: old, id: v7({ msecs: old.getTime() }) });
    const { task: young } = await createTask(store, { namespaceId, input, now: new Date() });
    await pass("finished tasks", context);
    assert.equal((await listTasks(store, namespaceId, {}, { limit: 10 })).rows.length, 4, "their runs wait");
    await store.pool.query("DELETE FROM task_runs");
    await store.pool.query(
      `INSERT INTO tasks SELECT made.* FROM tasks t, generate_series(1, 1002) n, jsonb_populate_record(t,
         jsonb_build_object('id', overlay(t.id::text placing lpad(n::text, 4, '0') from 33))) AS made
       WHERE t.id = (SELECT id FROM tasks WHERE id <> $1 LIMIT 1)
       -- Its own id may end in one of these numbers.
       ON CONFLICT DO NOTHING`,
      [young.id],
    );
    await pass("finished tasks", context);
    const { rows: left } = await listTasks(store, namespaceId, {}, { limit: 10 });
    assert.deepEqual(
      left.map(({ id }) => id),
      [young.id],
    );
  });

  it("rescue: a lost worker's run is tried again, and the scheduler told to look", async () => {
    const { id: runId } = await loseRun();
    const { context, published, notified } = openContext();
    await pass("rescue", context);
    const run = (await findRun(store, namespaceId, runId))!;
    assert.deepEqual([run.state, run.attempt], ["scheduled", 2]);
    assert.deepEqual(notified, [["bellhop_schedule", []]]);
    assert.deepEqual(published.flat(), []);
  });

  it("rescue: a lost worker's last attempt is a dead letter, published with its error", async () => {
    const { id: runId, taskId } = await loseRun({ retry: ONE_ATTEMPT });
    const { context, published, warned } = openContext();
    await pass("rescue", context);
    assert.deepEqual(
      warned.filter((line) => line.includes(runId)),
      [
        `run ${runId} (http, schedule) failed and is a dead letter: worker_lost; GET /v1/runs/${runId} tells more`,
      ],
    );
    const run = (await findRun(store, namespaceId, runId))!;
    assert.equal(run.state, "dead");
    assert.equal(run.error?.code, "worker_lost");
    const [letter, ...others] = published.flat();
    assert.deepEqual(others, []);
    assert.deepEqual(
      { ...letter, error: letter?.error?.code },
      {
        runId,
        taskId,
        namespaceId,
        error: "worker_lost",
        deadAt: context.clock.now().toISOString(),
      },
    );
  });

  it("rescue: who waits for an invocation is told that it ended", async () => {
    await deployFunction(db, namespaceId, "greet");
    const runId = newId();
    await enqueueInvocation(store, {
      ...{ runId, namespaceId, functionName: "greet", input: null },
      timeoutMs: 1_000,
      awaited: true,
    });
    await claimRuns(store, newId(), [runId]);
    const { context, notified } = openContext();
    await pass("rescue", context);
    assert.equal((await findRun(store, namespaceId, runId))?.state, "failed");
    assert.deepEqual(notified, [
      ["bellhop_finished", [runId]],
      ["bellhop_failures", []],
    ]);
  });

  it("rescue and permits: a lost worker's permits are granted to runs that waited for them, and they are rung", async () => {
    await deployFunction(db, namespaceId, "limited", { concurrency: 1 });
    const runIds = [];
    for (let index = 0; index < 3; index += 1)
      runIds.push(await queueInvocation(store, namespaceId, "limited"));
    await claimRuns(store, newId(), runIds);
    const { context, rung } = openContext();
    await pass("permits", context);
    assert.deepEqual(rung.flat(), [], "the function is full");
    await pass("rescue", context);
    assert.deepEqual(
      rung.flat().map(({ runId }) => runId),
      [runIds[1]],
    );
    const [claimed] = await claimRuns(store, await makeWorker(db), [runIds[1]!]);
    assert.equal(claimed?.id, runIds[1]);
    await deployFunction(db, namespaceId, "limited");
    await pass("permits", context);
    assert.deepEqual(rung.flat().at(-1)?.runId, runIds[2], "another revision has no limit");
  });

  it("stored bytes: who makes runs hears of a namespace that has become full, and that it is no longer", async () => {
    const limit = (storedBytes: number | null) =>
      store.pool.query("UPDATE namespaces SET limits = $2 WHERE id = $1", [
        namespaceId,
        storedBytes && JSON.stringify({ storedBytes }),
      ]);
    await queueRun(store, namespaceId);
    const { context, notified } = openContext();
    const job = jobNamed("stored bytes");
    const measure = () => job.run(context, createReringBackoff(), new AbortController().signal);
    await measure();
    assert.deepEqual(notified, []);
    await limit(1);
    await measure();
    await measure();
    assert.deepEqual(notified, [["bellhop_keys", [namespaceId]]]);
    await limit(null);
    await measure();
    assert.deepEqual(notified.slice(1), [["bellhop_keys", [namespaceId]]]);
  });

  it("stored bytes: a pass that fails rests ten times as long as it took, as any other", async () => {
    const clock = createManualClock(new Date());
    const { context } = openContext({ clock });
    let passes = 0;
    const failing = async () => {
      passes += 1;
      await clock.advance(60_000);
      throw new Error("it takes too long");
    };
    const pool = { query: failing } as unknown as typeof store.pool;
    const job = jobNamed("stored bytes");
    const measure = (given = context) => job.run(given, createReringBackoff(), new AbortController().signal);
    await assert.rejects(async () => await measure({ ...context, store: { ...store, pool } }));
    // The look at who is full failed too, for a minute of the ten.
    assert.equal(passes, 2);
    const before = passes;
    await clock.advance(10_000);
    const early = await measure({ ...context, store: { ...store, pool } });
    assert.deepEqual([passes, early], [before, new PassedOver(530_000)], "it is no pass");
    await clock.advance(530_000);
    assert.equal(await measure(), 10_000);
  });

  it("permit counts: one that is wrong is corrected, counted and told", async () => {
    const functionId = await deployFunction(db, namespaceId, "leaking", { concurrency: 2 });
    await sql`UPDATE run_limits SET permits_held = 2 WHERE key = ${functionKey(functionId)}`.execute(db);
    const { context } = openContext();
    await pass("permit counts", context);
    await pass("permit counts", context);
    const text = await context.metrics.permitCorrections.get();
    assert.equal(text.values[0]?.value, 1);
    const runId = await queueInvocation(store, namespaceId, "leaking");
    assert.equal((await claimRuns(store, await makeWorker(db), [runId])).length, 1);
  });

  it("function limits: what the release before deployed holds too", async () => {
    const functionId = await deployFunction(db, namespaceId, "elsewhere");
    await sql`UPDATE function_revisions SET limits = '{"concurrency": 1}' WHERE function_id = ${functionId}`.execute(
      db,
    );
    const { context } = openContext();
    await pass("function limits", context);
    const runIds = [];
    for (let index = 0; index < 2; index += 1)
      runIds.push(await queueInvocation(store, namespaceId, "elsewhere"));
    assert.equal((await claimRuns(store, await makeWorker(db), runIds)).length, 1);
  });

  it("a queue that is away keeps no job from its work", async () => {
    const { id: runId } = await loseRun({ retry: ONE_ATTEMPT });
    const { context } = openContext();
    const refuse = () => Promise.reject(new QueueAway("the queue took nothing"));
    Object.assign(context.transport, { ring: refuse, publishDeadLetters: refuse });
    await pass("rescue", context);
    assert.equal((await findRun(store, namespaceId, runId))?.state, "dead");
    await queueRun(store, namespaceId);
    await sql`UPDATE task_runs_open SET available_at = clock_timestamp() - interval '1 hour'`.execute(db);
    await pass("re-ring", context);
    assert.equal((await context.metrics.rerung.get()).values[0]?.value ?? 0, 0, "nothing was rung");
  });

  it("rescue: a worker whose lease holds keeps its runs, and nothing is said", async () => {
    const { id: runId } = await startRun(store, namespaceId, await makeWorker(db));
    const { context, published, notified } = openContext();
    await pass("rescue", context);
    assert.equal((await findRun(store, namespaceId, runId))?.state, "running");
    assert.deepEqual([published, notified], [[], []]);
  });

  it("rescue: nothing is taken before the database has been reached without a gap for one lease", async () => {
    const { id: runId } = await loseRun();
    const { context } = openContext();
    let nowMs = 0;
    const judged = { ...context, judge: createLeaseJudge(1, () => nowMs) };
    await pass("rescue", judged);
    nowMs = 3_600_000;
    await pass("rescue", judged);
    assert.equal((await findRun(store, namespaceId, runId))?.state, "running");
  });

  it("run fences: those that no writer comes to any more are removed, however many", async () => {
    const oldMs = Date.now() - 25 * 3_600_000;
    const ids = Array.from({ length: 10_002 }, (_, index) => v7({ msecs: oldMs + index }));
    const kept = newId();
    await store.pool.query("INSERT INTO run_fences (run_id) SELECT unnest($1::uuid[])", [[...ids, kept]]);
    await pass("run fences", openContext().context);
    const { rows } = await store.pool.query("SELECT run_id FROM run_fences");
    assert.deepEqual(rows, [{ run_id: kept }]);
  });

  it("expiry: a run past its ttl that nobody claimed ends, in steps, and is no rescue", async () => {
    const { context, registry } = openContext();
    const late = await queueRun(store, namespaceId, { ttlMs: 1 });
    const patient = await queueRun(store, namespaceId);
    await until(async () => {
      const { rows } = await store.pool.query(
        "SELECT FROM task_runs_open WHERE scheduled_for < now() - interval '1 ms'",
      );
      return rows.length === 2 || undefined;
    });
    await pass("expiry", context);
    const stateOf = async (id: string) => (await findRun(store, namespaceId, id))?.state;
    assert.deepEqual([await stateOf(late), await stateOf(patient)], ["expired", "queued"]);
    const { values } = await registry.getSingleMetric("bellhop_runs_ended_total")!.get();
    const ended = values.filter(({ value }) => value > 0).map(({ labels }) => labels.state);
    assert.deepEqual(ended, ["expired"]);
    const rescued = await registry.getSingleMetric("bellhop_runs_rescued_total")?.get();
    assert.ok(rescued?.values.every(({ value }) => value === 0));
  });

  it("re-ring: a run that nobody claimed is rung again, with backoff", async () => {
    const runId = await queueRun(store, namespaceId);
    await sql`UPDATE task_runs_open SET available_at = clock_timestamp() - ${OVERDUE_MS}::int * interval '1 ms'`.execute(
      db,
    );
    const clock = createManualClock(new Date());
    const { context, rung } = openContext({ clock });
    const backoff = createReringBackoff();
    const ringsAfter = async (ms: number) => {
      await clock.advance(ms);
      rung.length = 0;
      await pass("re-ring", context, backoff);
      return rung.flat().map((bell) => bell.runId);
    };
    assert.deepEqual(await ringsAfter(0), [runId]);
    assert.deepEqual(await ringsAfter(999), []);
    assert.deepEqual(await ringsAfter(1), [runId]);
    assert.deepEqual(await ringsAfter(1_999), []);
    assert.deepEqual(await ringsAfter(1), [runId]);
  });

  it("re-ring: what is due only just, or claimed, is left alone", async () => {
    const runId = await queueRun(store, namespaceId);
    await queueRun(store, namespaceId);
    await sql`UPDATE task_runs_open SET available_at = clock_timestamp() - interval '1 hour' WHERE id = ${runId}`.execute(
      db,
    );
    await claimRuns(store, newId(), [runId]);
    const { context, rung } = openContext();
    await pass("re-ring", context);
    assert.deepEqual(rung, []);
  });

  it("partitions: made ahead of the clock, dropped after the retention", async () => {
    const future = createManualClock(new Date(Date.now() + 60 * 86_400_000));
    const { context } = openContext({ clock: future });
    const partitions = async () =>
      (
        await sql<{
          name: string;
        }>`SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'task_logs'::regclass ORDER BY 1`.execute(db)
      ).rows.map(({ name }) => name);
    const nameOf = (at: Date) => `task_logs_${at.toISOString().slice(0, 10).replaceAll("-", "")}`;
    const today = nameOf(new Date());
    assert.ok((await partitions()).includes(today));
    await pass("partitions", context);
    const after60Days = await partitions();
    assert.ok(after60Days.includes(nameOf(future.now())));
    assert.ok(!after60Days.includes(today), "older than 30 days by that clock");
  });

  it("workers: a row that is long gone and owns nothing is removed", async () => {
    const [, owner, alive] = [await makeWorker(db), await makeWorker(db), await makeWorker(db)];
    await sql`UPDATE workers SET lease_until = now() - interval '2 hours' WHERE id <> ${alive}`.execute(db);
    await startRun(store, namespaceId, owner);
    await pass("workers", openContext().context);
    const { rows } = await sql<{ id: string }>`SELECT id FROM workers`.execute(db);
    assert.deepEqual(rows.map(({ id }) => id).sort(), [owner, alive].sort());
  });

  it("stats: told while they can be read, absent while they cannot", async () => {
    await queueRun(store, namespaceId);
    await loseRun();
    const { context, registry } = openContext();
    const shown = async () =>
      (await registry.metrics())
        .split("\n")
        .filter((text) => /^bellhop_(open_runs|workers|due_runs)/.test(text));
    assert.deepEqual(await shown(), []);
    await pass("stats", context);
    const lines = await shown();
    for (const series of [
      'bellhop_open_runs{type="http",state="queued",role="scheduler"} 1',
      'bellhop_open_runs{type="http",state="running",role="scheduler"} 1',
      'bellhop_open_runs{type="email",state="dead",role="scheduler"} 0',
      'bellhop_due_runs{role="scheduler"} 1',
      'bellhop_workers{state="live",role="scheduler"} 0',
    ])
      assert.ok(lines.includes(series), `no ${series} in ${lines.join("\n")}`);
    await sql`ALTER TABLE workers RENAME TO hidden_workers`.execute(db);
    await assert.rejects(pass("stats", context));
    await sql`ALTER TABLE hidden_workers RENAME TO workers`.execute(db);
    assert.deepEqual(await shown(), []);
  });

  const JOBS = listJobs(LEASE_MS, QUIET).length;

  /** Jobs that run by a manual clock, and the sleeps they take. */
  function startWatched(t: TestContext, given: { leaseMs?: number; quiet?: Quiet } = {}) {
    const manual = createManualClock(new Date());
    const sleeps: number[] = [];
    let slept = Promise.withResolvers<void>();
    const clock: Clock = {
      ...manual,
      sleep(ms, signal) {
        const sleeping = manual.sleep(ms, signal);
        sleeps.push(ms);
        slept.resolve();
        slept = Promise.withResolvers();
        return sleeping;
      },
    };
    const opened = openContext({ clock, ...given });
    const errors: object[] = [];
    const jobs = startJobs(given.quiet ?? createQuiet(clock), {
      ...opened.context,
      log: { ...opened.context.log, error: (fields: object) => void errors.push(fields) } as never,
    });
    t.after(() => jobs.stop());
    return {
      ...opened,
      jobs,
      manual,
      sleeps,
      errors,
      async sleepsTaken(count: number) {
        while (sleeps.length < count) await slept.promise;
      },
    };
  }

  it("each job runs at once and then at its period", async (t) => {
    const runId = await queueRun(store, namespaceId);
    await sql`UPDATE task_runs_open SET available_at = clock_timestamp() - interval '1 hour'`.execute(db);
    // Where nobody has a share, the shares rest.
    const limits = async (text: string | null) =>
      await store.pool.query("UPDATE namespaces SET limits = $2 WHERE id = $1", [namespaceId, text]);
    await limits('{"slotsShare":100}');
    t.after(() => limits(null));
    const { manual, sleeps, rung, sleepsTaken } = startWatched(t, { leaseMs: LEASE_MS });
    const periods = listJobs(LEASE_MS, QUIET).map(({ everyMs }) => everyMs);
    await sleepsTaken(periods.length);
    assert.deepEqual(sleeps.sort(), periods.sort());
    assert.deepEqual(
      rung.flat().map((bell) => bell.runId),
      [runId],
    );
    await manual.advance(1_000);
    // Other jobs sleep several times meanwhile.
    await until(async () => (rung.flat().length === 2 ? true : undefined));
  });

  it("a job that fails is logged with its name and comes again; the others go on", async (t) => {
    // What goes on is not sampled where it was just before.
    await sql`UPDATE activity_folds SET reached_at = clock_timestamp()`.execute(db);
    await sql`ALTER TABLE workers RENAME TO hidden_workers`.execute(db);
    const { manual, errors, sleeps, sleepsTaken } = startWatched(t);
    await sleepsTaken(JOBS);
    await sql`ALTER TABLE hidden_workers RENAME TO workers`.execute(db);
    const named = errors.map((fields) => (fields as { job: string }).job);
    assert.deepEqual(named.sort(), ["rescue", "stats", "work", "workers"]);
    const before = sleeps.length;
    await manual.advance(200);
    await sleepsTaken(before + 1);
    assert.equal(errors.length, 4, "the rescue came again and succeeded");
  });

  it("a job that fails while all sleep comes again after its period, and the others sleep on", async (t) => {
    const quiet = { ...NEVER_QUIET, isAsleep: () => true, stretch: (ms: number) => Math.max(ms, ASLEEP_MS) };
    await sql`ALTER TABLE workers RENAME TO hidden_workers`.execute(db);
    const { context, sleepsTaken } = startWatched(t, { leaseMs: 3_000, quiet });
    await sleepsTaken(JOBS);
    await sql`ALTER TABLE hidden_workers RENAME TO workers`.execute(db);
    const { values } = await context.metrics.jobRestSeconds.get();
    const restsSeconds = ["rescue", "stats", "expiry"].map(
      (name) => values.find(({ labels }) => labels.name === name)!.value,
    );
    assert.deepEqual(restsSeconds, [1, 5, 60]);
  });

  it("asleep, a round of all jobs takes one connection, and one of those for leases where lost workers are looked for", async (t) => {
    const turns = createTurns(createManualClock());
    const quiet: Quiet = {
      ...NEVER_QUIET,
      isAsleep: () => true,
      stretch: (ms) => Math.max(ms, ASLEEP_MS),
      inTurn: turns.take,
      promptly: turns.takeFirst,
    };
    const taken = { now: 0, most: 0 };
    const forLeases = { now: 0, most: 0 };
    for (const [pool, count] of [
      [store.pool, taken],
      [store.leasePool, forLeases],
    ] as const) {
      const take = () => {
        count.now += 1;
        count.most = Math.max(count.most, count.now);
      };
      const giveBack = () => {
        count.now -= 1;
      };
      pool.on("acquire", take).on("release", giveBack);
      t.after(() => pool.off("acquire", take).off("release", giveBack));
    }
    const { manual } = startWatched(t, { leaseMs: 15_000, quiet });
    const untilAllRest = async () =>
      await until(async () =>
        taken.now === 0 && forLeases.now === 0 && manual.sleepers === JOBS ? true : undefined,
      );
    // Also those that come by the hour.
    await untilAllRest();
    await manual.advance(untilRound(ASLEEP_MS, manual.steadyMs()) - 1);
    await untilAllRest();
    // A round of all, as it comes every ten minutes.
    taken.most = 0;
    forLeases.most = 0;
    await manual.advance(1);
    await untilAllRest();
    assert.deepEqual([taken.most, forLeases.most], [1, 1]);
  });

  it("while there is nothing to do, jobs for it look less often, until there is", async (t) => {
    const { manual, rung, context, sleepsTaken } = startWatched(t);
    await sleepsTaken(JOBS);
    const lookedAgoMs = async (name: string) => {
      const { values } = await context.metrics.jobDoneAt.get();
      const doneAt = values.find(({ labels }) => labels.name === name)!.value * 1_000;
      return Math.round(manual.now().getTime() - doneAt);
    };
    const passSecond = async () => {
      await manual.advance(1_000);
      await until(async () => ((await lookedAgoMs("work")) === 0 ? true : undefined));
    };
    for (let second = 0; (await lookedAgoMs("re-ring")) < 3_000; second += 1) {
      assert.ok(second < 30, "it rests by now");
      await passSecond();
    }
    const runId = await queueRun(store, namespaceId);
    await sql`UPDATE task_runs_open SET available_at = clock_timestamp() - interval '1 hour'`.execute(db);
    await passSecond();
    await until(async () => (rung.flat().some((bell) => bell.runId === runId) ? true : undefined));
  });

  it("what an application has enqueued, and no API has heard of, is rung again", async () => {
    const { context, notified } = openContext();
    await pass("work", context);
    assert.deepEqual(notified, []);
    await store.pool.query(
      "INSERT INTO enqueued_tasks (task_id, namespace_id, action, enqueued_by) VALUES ($1, $2, 'cancel', 'somebody')",
      [newId(), namespaceId],
    );
    await pass("work", context);
    assert.deepEqual(notified, [["bellhop_enqueued", []]]);
    await store.pool.query("DELETE FROM enqueued_tasks");
  });

  it("a look for work that has no answer in time tells that there may be some", async (t) => {
    const clock = createManualClock();
    const quiet = createQuiet(clock);
    await clock.advance(10_000);
    quiet.note({ hasWork: false, hasCalls: false, hasShares: false });
    const locked = await store.pool.connect();
    t.after(() => locked.release());
    await locked.query("BEGIN; LOCK TABLE bulk_actions");
    const { context } = openContext({ clock, leaseMs: 15_000 });
    const job = listJobs(LEASE_MS, quiet).find(({ name }) => name === "work")!;
    const passing = job.run(context, createReringBackoff(), new AbortController().signal);
    await clock.advance(1_999);
    assert.equal(quiet.isAsleep(), true);
    await clock.advance(1);
    assert.equal(quiet.isAsleep(), false);
    await locked.query("ROLLBACK");
    await passing;
  });

  it("a look for work that is answered late does not break the contact that others have kept meanwhile", async (t) => {
    const clock = createManualClock();
    const leaseMs = 15_000;
    const judge = createLeaseJudge(leaseMs, clock.steadyMs);
    const word = await askServer(db);
    const hear = async (afterMs: number) => {
      await clock.advance(2_500);
      return judge.mayJudge({ ...word, at: new Date(word.at.getTime() + afterMs) });
    };
    for (let ms = -leaseMs; ms < 0; ms += 2_500) await hear(ms);
    assert.equal(await hear(0), true);
    const locked = await store.pool.connect();
    t.after(() => locked.release());
    await locked.query("BEGIN; LOCK TABLE bulk_actions");
    const { context } = openContext({ clock, leaseMs });
    const looking = pass("work", { ...context, judge });
    for (const ms of [2_500, 5_000, 7_500]) assert.equal(await hear(ms), true);
    assert.equal(await hear(10_000), true);
    await locked.query("ROLLBACK");
    await looking;
    assert.equal(await hear(12_500), true);
  });

  it("who looks for work asks for contact by itself only while there is some, where leases are long enough", () => {
    const contact = (leaseMs: number) => listJobs(leaseMs, QUIET).find(({ name }) => name === "contact")!;
    assert.deepEqual([contact(15_000).everyMs, contact(15_000).serves], [2_500, "work"]);
    assert.deepEqual([contact(3_000).everyMs, contact(3_000).serves], [500, undefined]);
  });

  it("figures for scrapes come less often while nothing goes on, but for who scales by what is planned", async () => {
    const clock = createManualClock();
    const quiet = createQuiet(clock);
    await clock.advance(10_000);
    quiet.note({ hasWork: false, hasCalls: false, hasShares: false });
    const restMs = (aheadMs: number) => {
      const stats = listJobs(LEASE_MS, quiet, aheadMs).find(({ name }) => name === "stats")!;
      return restAfter(stats, stats.everyMs, quiet);
    };
    assert.deepEqual([restMs(0), restMs(LOOK_AHEAD_MS), restMs(LOOK_AHEAD_MS + 1)], [30_000, 30_000, 5_000]);
  });

  it("asleep, what no look sees is looked at each minute, and what the look tells of every ten minutes besides", async () => {
    const clock = createManualClock();
    const quiet = createQuiet(clock);
    await clock.advance(10_000);
    quiet.note({ hasWork: false, hasCalls: false, hasShares: false });
    const jobs = listJobs(15_000, quiet).filter(({ serves }) => serves);
    const restMs = (job: Job) => restAfter(job, job.everyMs, quiet);
    assert.deepEqual([...new Set(jobs.map(restMs))].sort(), [ASLEEP_MS / 2, ASLEEP_MS, PATIENT_MS].sort());
    const namesOf = (ms: number) => jobs.filter((job) => restMs(job) === ms).map(({ name }) => name);
    assert.deepEqual(namesOf(ASLEEP_MS), [
      ...["contact", "permits", "error groups", "activity", "stored bytes", "function limits"],
      ...["late data of deleted namespaces", "shares of slots"],
    ]);
    quiet.stir();
    assert.ok(jobs.every((job) => job.name === "shares of slots" || restMs(job) === job.everyMs));
  });

  it("stop waits for the job under way and starts no other", async (t) => {
    const { jobs, manual, sleeps, sleepsTaken } = startWatched(t);
    await sleepsTaken(JOBS);
    await jobs.stop();
    const before = sleeps.length;
    await manual.advance(3_600_000);
    assert.equal(sleeps.length, before);
  });

  it("the rescue comes several times a lease, and neither in a storm nor too rarely", () => {
    const everyMs = (leaseMs: number) =>
      listJobs(leaseMs, QUIET).find(({ name }) => name === "rescue")!.everyMs;
    assert.equal(everyMs(500), 200);
    assert.equal(everyMs(3_000), 1_000);
    assert.equal(everyMs(600_000), 5_000);
  });
});
