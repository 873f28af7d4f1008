/**
 * Runs with limits in a real database under a stubbed clock, moved as workers, schedulers and callers of the API move
 * them, over several connections.
 */
import assert from "node:assert/strict";
import type { Clock } from "../../core/clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../../core/config/function-caps.ts";
import { readSettings } from "../../core/config/settings.ts";
import {
  DEFAULT_QUEUE,
  functionKey,
  namespaceKey,
  type QueuePlace,
  queueKey,
} from "../../core/domain/limit-keys.ts";
import type { QueueLimits } from "../../core/domain/queue.ts";
import { BellhopError } from "../../core/errors.ts";
import { grantReturnedPermits } from "../../core/run-ends/grant-permits.ts";
import { createRunEnds } from "../../core/run-ends/run-ends.ts";
import { trueTime } from "../../core/schedule-time.ts";
import type { Store } from "../../core/store/database.ts";
import { newId } from "../../core/store/ids.ts";
import { countNewLimit } from "../../core/store/limits/count-new-limit.ts";
import { NEAR_FOR, noteLimits } from "../../core/store/limits/far-limits.ts";
import { grantPermits } from "../../core/store/limits/grant-permits.ts";
import {
  saveNamespaceConcurrency,
  settleNamespaceConcurrency,
} from "../../core/store/limits/namespace-concurrency.ts";
import { GRANTED, NAMED_KEYS } from "../../core/store/limits/permits.ts";
import { revokePermits } from "../../core/store/limits/revoke-permits.ts";
import { pauseQueue, putQueue, removeQueue } from "../../core/store/queues/queues.ts";
import { cancelRuns } from "../../core/store/runs/cancel.ts";
import { type ClaimedRun, claimDueRuns, claimRuns, claimShortRuns } from "../../core/store/runs/claim.ts";
import { redriveDeadLetters } from "../../core/store/runs/dead-letters.ts";
import { reserveDirectRun } from "../../core/store/runs/direct.ts";
import { type FinishReport, finishAttempts, releaseRuns } from "../../core/store/runs/finish.ts";
import { queueDueRetries } from "../../core/store/runs/queue-retries.ts";
import { createTask } from "../../core/store/tasks/create.ts";
import { changeTask } from "../../core/store/tasks/redefine.ts";
import {
  ANY_TIME,
  deferred,
  deployFunction,
  finished,
  httpTask,
  makeWorker,
  queueInvocation,
  SAMPLE_ERROR,
} from "../../core/store/testing/samples.ts";
import type { TestStore } from "../../core/store/testing/test-store.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import { createLogger } from "../../core/telemetry/log.ts";
import { createDatabaseStatsMetrics } from "../../core/telemetry/metrics/database-stats.ts";
import { createRegistry } from "../../core/telemetry/metrics/registry.ts";
import { createSchedulerMetrics } from "../../core/telemetry/metrics/scheduler.ts";
import type { JobContext } from "../../scheduler/job.ts";
import { listJobs } from "../../scheduler/jobs.ts";
import { createQuiet } from "../../scheduler/quiet.ts";
import { createReringBackoff } from "../../scheduler/rering-overdue.ts";
import { setDatabaseClock } from "./clocked-database.ts";
import type { LimitsSnapshot } from "./limits-oracle.ts";
import { createManualClock } from "./manual-clock.ts";

/** The scheduler's jobs that move permits, in the order of a second. */
export const LIMIT_JOBS = [
  "rescue",
  "overdue completions",
  "pauses",
  "paused runs",
  "permits",
  "rates",
  "queue keys",
  "permit counts",
] as const;
export type LimitJob = (typeof LIMIT_JOBS)[number];

export type Outcome =
  | "succeeded"
  | "dead"
  | "given back"
  | { retryAfterMs: number }
  | { completeAfterMs: number };

export interface Worker {
  id: string;
  store: Store;
  /** What it believes to have. */
  runs: ClaimedRun[];
}

interface KnownRun {
  id: string;
  taskId: string | null;
}

const LEASE_MS = 1_000;
const QUIET = createQuiet(createManualClock());
const registry = createRegistry("scheduler");
const COUNTERS = {
  log: createLogger("scheduler", "silent"),
  metrics: createSchedulerMetrics(registry),
  stats: createDatabaseStatsMetrics(registry),
  functionCaps: toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {})),
};

/** With the keys of `default` and of the namespace, which runs do not name. */
const SNAPSHOT = `SELECT
  (SELECT coalesce(json_agg(json_build_object('id', r.id, 'state', r.state, 'isGranted', (${GRANTED}) IS TRUE,
      'keys', coalesce(${NAMED_KEYS}, '{}')
        || ARRAY['${namespaceKey("")}' || r.namespace_id]
        || CASE WHEN r.queue IS NULL THEN ARRAY['queue:' || r.namespace_id || '/${DEFAULT_QUEUE}'] ELSE '{}' END,
      'holds', CASE WHEN r.state IN ('running', 'deferred') OR (${GRANTED}) THEN coalesce(r.permits, '{}') ELSE '{}' END,
      'isDue', r.state = 'queued' AND r.available_at <= clock_timestamp())), '[]')
    FROM task_runs_open r) AS runs,
  (SELECT coalesce(json_agg(json_build_object('key', l.key, 'permitsHeld', l.permits_held - (
      SELECT coalesce(sum(b.count), 0) FROM returned_permits b WHERE b.key = l.key))), '[]')
    FROM run_limits l) AS limits`;

export class LimitedRuns {
  readonly namespaceId: string;
  readonly workers: Worker[] = [];
  readonly known: KnownRun[] = [];
  private stores: Store[];
  private readonly backoff = createReringBackoff();
  private nowMs: number;

  private constructor(stores: Store[], namespaceId: string, nowMs: number) {
    this.stores = stores;
    this.namespaceId = namespaceId;
    this.nowMs = nowMs;
  }

  /**
   * Of those before nothing is left that has to do with limits; what has ended stays.
   *
   * @param stores each with connections of its own; workers are spread over them
   */
  static async open(
    { store, newNamespace }: TestStore,
    stores: Store[],
    workers: number,
  ): Promise<LimitedRuns> {
    for (const table of ["task_runs_open", "tasks", "workers", "run_limits", "returned_permits", "queues"])
      await store.pool.query(`DELETE FROM ${table}`);
    const runs = new LimitedRuns(stores, await newNamespace(), Date.now());
    await runs.passTime(0);
    for (let index = 0; index < workers; index += 1) await runs.addWorker(index);
    return runs;
  }

  get now(): Date {
    return new Date(this.nowMs);
  }

  private get store(): Store {
    return this.stores[0]!;
  }

  private openContext(): JobContext {
    const clock = { now: () => this.now } as Clock;
    return {
      ...{ store: this.store, clock, time: trueTime(clock) },
      transport: { name: "postgres", ring: async () => {} } as unknown as JobContext["transport"],
      notifier: { notify() {}, async flush() {} },
      ends: this.openEnds(this.store),
      ...COUNTERS,
      ...{ aheadMs: 2_000, leaseMs: LEASE_MS, judge: ANY_TIME, retentionDays: 30, auditRetentionDays: 400 },
    };
  }

  private openEnds(store: Store) {
    const fail = (error: unknown) => assert.fail(error as Error);
    return createRunEnds(
      [
        grantReturnedPermits(
          (keys) => grantPermits(store, keys),
          async () => {},
          fail,
        ),
      ],
      fail,
    );
  }

  /** Whoever lives renews its lease. */
  async passTime(ms: number): Promise<void> {
    this.nowMs += ms;
    await setDatabaseClock(this.store, this.now);
    await this.store.pool.query("UPDATE workers SET lease_until = clock_timestamp() + interval '1 minute'");
  }

  /** From now on all is done through it. */
  useStore(store: Store): void {
    this.stores = [store];
    for (const worker of this.workers) worker.store = store;
  }

  private async addWorker(index: number): Promise<void> {
    const store = this.stores[index % this.stores.length]!;
    this.workers[index] = { id: await makeWorker(store.db), store, runs: [] };
  }

  /** Its lease is over. One that only stood still believes to have its runs. */
  async loseWorker(index: number, onlyStoodStill: boolean): Promise<void> {
    const worker = this.workers[index]!;
    await worker.store.pool.query("DELETE FROM workers WHERE id = $1", [worker.id]);
    if (!onlyStoodStill) await this.addWorker(index);
  }

  async queueTask(place: QueuePlace, timeoutMs: number): Promise<void> {
    const input = httpTask({ kind: "now" }, { ...place, timeoutMs });
    const { task, run } = await createTask(this.store, {
      namespaceId: this.namespaceId,
      input,
      now: this.now,
    });
    this.known.push({ id: run!.runId, taskId: task.id });
  }

  async queueCall(functionName: string, place: QueuePlace, timeoutMs: number): Promise<void> {
    const id = await queueInvocation(this.store, this.namespaceId, functionName, { place, timeoutMs });
    this.known.push({ id, taskId: null });
  }

  /** The function's key. */
  async deploy(name: string, concurrency: number | null): Promise<string> {
    const limits = concurrency === null ? {} : { concurrency };
    const key = functionKey(await deployFunction(this.store.db, this.namespaceId, name, limits));
    await countNewLimit(this.store, key);
    await grantPermits(this.store, await revokePermits(this.store, key));
    return key;
  }

  /** Of runs at once in it; its key. */
  async limitNamespace(concurrency: number | null): Promise<string> {
    const saved = await inTransaction(this.store.pool, ({ db }) =>
      saveNamespaceConcurrency(db, this.namespaceId, concurrency),
    );
    await grantPermits(this.store, await settleNamespaceConcurrency(this.store, saved));
    return namespaceKey(this.namespaceId);
  }

  async put(queue: string, limits: QueueLimits): Promise<void> {
    const { freedKeys } = await putQueue(this.store, this.namespaceId, queue, { limits });
    await grantPermits(this.store, freedKeys);
  }

  /** Null: it is resumed. */
  async pause(queue: string, until: Date | number | null): Promise<void> {
    const changed = await pauseQueue(this.store, this.namespaceId, queue, until);
    if (changed) await grantPermits(this.store, changed.freedKeys);
  }

  /** Whether it could be. */
  async removeQueue(queue: string): Promise<boolean> {
    return await wasDone(removeQueue(this.store, this.namespaceId, queue));
  }

  async claim(index: number, runIds: string[], longestMs: number | null): Promise<ClaimedRun[]> {
    const { id, store } = this.workers[index]!;
    return this.take(
      index,
      id,
      await (longestMs === null
        ? claimRuns(store, id, runIds)
        : claimShortRuns(store, id, runIds, longestMs)),
    );
  }

  async claimDue(index: number, limit: number): Promise<ClaimedRun[]> {
    const { id, store } = this.workers[index]!;
    return this.take(index, id, (await claimDueRuns(store, id, limit, 0)).runs);
  }

  private take(index: number, workerId: string, runs: ClaimedRun[]): ClaimedRun[] {
    const worker = this.workers[index]!;
    if (worker.id === workerId) worker.runs.push(...runs);
    return runs;
  }

  /** A call that is handed to the worker, of a function with a limit. */
  async call(index: number, key: string): Promise<ClaimedRun[]> {
    const { id: workerId, store } = this.workers[index]!;
    const functionId = key.slice(functionKey("").length);
    const call = {
      ...{
        id: newId(),
        namespaceId: this.namespaceId,
        functionId,
        revisionId: newId(),
        trigger: "invoke" as const,
      },
      ...{ input: null, timeoutMs: 1_000, ageMs: 0 },
    };
    if ((await reserveDirectRun(store, workerId, call)) !== "reserved") return [];
    const begun = { ...call, claimNo: 1, taskId: null, attempt: 1, startedAt: this.now, holdsPermits: true };
    const run = { ...begun, spec: { type: "function", function: "f", input: null } } as unknown as ClaimedRun;
    return this.take(index, workerId, [run]);
  }

  /** How the worker takes and gives permits from now on; it must make no difference. */
  expectLimits(index: number, outlook: "far" | "near"): void {
    const { store } = this.workers[index]!;
    noteLimits(store, false);
    if (outlook === "far") for (let ends = 0; ends < NEAR_FOR; ends += 1) noteLimits(store, true);
  }

  /** @param dies before it has granted what came back */
  async end(index: number, count: number, outcome: Outcome, dies: boolean): Promise<void> {
    const { id, store, runs } = this.workers[index]!;
    const some = runs.splice(0, count);
    if (some.length === 0) return;
    if (outcome === "given back") {
      const ended = await releaseRuns(store, id, some);
      // One that was asked to stop is not given back.
      const released = new Set(ended.map(({ runId }) => runId));
      runs.push(...some.filter((run) => !released.has(run.id)));
      if (!dies) await this.tell(store, ended);
      return;
    }
    const report = await finishAttempts(
      store,
      id,
      some.map((run) => this.toAttempt(run, id, outcome)),
    );
    if (!dies) await this.tell(store, report.ended);
  }

  private async tell(store: Store, ended: FinishReport["ended"]): Promise<void> {
    const ends = this.openEnds(store);
    ends.tell(ended);
    await ends.flush();
  }

  private toAttempt(run: ClaimedRun, workerId: string, outcome: Exclude<Outcome, "given back">) {
    if (outcome === "succeeded") return finished(run, workerId, { state: "succeeded", result: null });
    if (outcome === "dead") return finished(run, workerId, { state: "dead", error: SAMPLE_ERROR });
    if ("completeAfterMs" in outcome)
      return deferred(run, workerId, new Date(this.nowMs + outcome.completeAfterMs));
    const availableAt = new Date(this.nowMs + outcome.retryAfterMs);
    return finished(run, workerId, { state: "scheduled", availableAt, error: SAMPLE_ERROR });
  }

  async cancel(runIds: string[]): Promise<void> {
    const { ended } = await cancelRuns(this.store, this.namespaceId, { runIds });
    await this.tell(this.store, ended);
  }

  async redrive(): Promise<void> {
    await redriveDeadLetters(this.store, this.namespaceId, {});
  }

  /** The task's runs that wait go along. */
  async move(taskId: string, place: QueuePlace): Promise<void> {
    const decide = async () => ({
      input: httpTask({ kind: "now" }, place),
      functionId: null,
      reschedules: false,
    });
    await wasDone(changeTask(this.store, this.namespaceId, taskId, this.now, decide));
  }

  async job(name: LimitJob): Promise<void> {
    const job = listJobs(LEASE_MS, QUIET).find((each) => each.name === name);
    assert.ok(job, `there is a job ${name}`);
    await job.run(this.openContext(), this.backoff, new AbortController().signal);
  }

  async queueRetries(): Promise<void> {
    await queueDueRetries(this.store, this.now, 1_000);
  }

  async look(): Promise<LimitsSnapshot> {
    return (await this.store.pool.query<LimitsSnapshot>(SNAPSHOT)).rows[0]!;
  }

  /** Permits that are not counted off, and limits that are said to be waited for. */
  async countLeft(): Promise<number> {
    const { rows } = await this.store.pool.query<{ left: number }>(
      `SELECT (SELECT count(*) FROM returned_permits)::int
         + (SELECT count(*) FROM run_limits WHERE has_waiting)::int AS left`,
    );
    return rows[0]!.left;
  }

  keyOf(queue: string): string {
    return queueKey(this.namespaceId, queue);
  }
}

async function wasDone(work: Promise<unknown>): Promise<boolean> {
  try {
    return (await work) !== false;
  } catch (error) {
    if (error instanceof BellhopError && (error.status === 404 || error.status === 409)) return false;
    throw error;
  }
}
