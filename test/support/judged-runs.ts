/**
 * Runs with limits that are looked at after each thing that is done: the limits hold and the counts are true. Where all has
 * settled, nothing waits while there is room for it, all that can run has run, and no permit and no row is left behind.
 */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { namespaceKey } from "../../core/domain/limit-keys.ts";
import { type QueueLimits, UNTIL_RESUMED } from "../../core/domain/queue.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { LIMIT_JOBS, type LimitedRuns } from "./limited-runs.ts";
import {
  isLimited,
  isUnderWay,
  type LimitSettings,
  LimitsOracle,
  type LimitsSnapshot,
  type OpenRun,
  type QueueState,
} from "./limits-oracle.ts";

const HOUR_MS = 3_600_000;
/** Many more than there are runs in a story. */
const MOST_ROUNDS = 500;

export class JudgedRuns {
  readonly runs: LimitedRuns;
  readonly queues = new Map<string, QueueState>();
  /** Runs at once, by the keys of the functions and of the namespace. */
  readonly functions = new Map<string, number | null>();
  /** By their names. */
  readonly functionKeys = new Map<string, string>();
  private readonly oracle = new LimitsOracle();
  private last: LimitsSnapshot = { runs: [], limits: [] };
  /** What stood at any time while something is done. */
  private stood: LimitSettings[] = [];
  private started: ClaimedRun[] = [];

  constructor(runs: LimitedRuns) {
    this.runs = runs;
  }

  /** As they stood when they were looked at last. */
  get openRuns(): readonly OpenRun[] {
    return this.last.runs;
  }

  private settings(): LimitSettings {
    return { queues: new Map(this.queues), functions: new Map(this.functions) };
  }

  /**
   * Does it, and holds what is there then against what may be.
   *
   * @param isInOrder settings are changed by nothing that goes on beside starts
   */
  async judged(work: () => Promise<unknown>, isInOrder = true): Promise<void> {
    this.stood = [this.settings()];
    this.started = [];
    await work();
    this.stood.push(this.settings());
    const after = await this.runs.look();
    const keysOf = new Map([...this.last.runs, ...after.runs].map(({ id, keys }) => [id, keys]));
    this.oracle.judge({
      ...{ before: this.last, after, settings: this.stood, isInOrder, nowMs: this.runs.now.getTime() },
      started: this.started.map(({ id }) => ({ id, keys: keysOf.get(id) ?? [] })),
    });
    this.last = after;
  }

  async claim(worker: number, runIds: string[], longestMs: number | null = null): Promise<void> {
    this.started.push(...(await this.runs.claim(worker, runIds, longestMs)));
  }

  async claimDue(worker: number, limit: number): Promise<void> {
    this.started.push(...(await this.runs.claimDue(worker, limit)));
  }

  /** Handed to the worker. */
  async call(worker: number, functionName: string): Promise<void> {
    this.started.push(...(await this.runs.call(worker, this.functionKeys.get(functionName)!)));
  }

  async put(queue: string, limits: QueueLimits): Promise<void> {
    const { pausedUntilMs = null } = this.queues.get(queue) ?? {};
    await this.changing(queue, { limits, pausedUntilMs }, () => this.runs.put(queue, limits));
  }

  /** @param forMs null: until it is resumed */
  async pause(queue: string, forMs: number | null): Promise<void> {
    const standing = this.queues.get(queue);
    if (!standing) return;
    const until = forMs === null ? UNTIL_RESUMED : new Date(this.runs.now.getTime() + forMs);
    const state = { ...standing, pausedUntilMs: until.valueOf() };
    await this.changing(queue, state, () => this.runs.pause(queue, until));
  }

  async resume(queue: string): Promise<void> {
    const standing = this.queues.get(queue);
    if (!standing) return;
    await this.changing(queue, { ...standing, pausedUntilMs: null }, () => this.runs.pause(queue, null));
  }

  /** What was holds until it is answered; where it is not, nobody knows which. */
  private async changing(queue: string, state: QueueState, change: () => Promise<void>): Promise<void> {
    const { queues, functions } = this.settings();
    this.stood.push({ functions, queues: new Map([...queues, [queue, state]]) });
    await change();
    this.queues.set(queue, state);
  }

  async removeQueue(queue: string): Promise<void> {
    if (await this.runs.removeQueue(queue)) this.queues.delete(queue);
  }

  async deploy(name: string, concurrency: number | null): Promise<void> {
    const { queues, functions } = this.settings();
    const known = this.functionKeys.get(name);
    if (known) this.stood.push({ queues, functions: new Map([...functions, [known, concurrency]]) });
    const key = await this.runs.deploy(name, concurrency);
    this.functionKeys.set(name, key);
    this.functions.set(key, concurrency);
  }

  async limitNamespace(concurrency: number | null): Promise<void> {
    const { queues, functions } = this.settings();
    const key = namespaceKey(this.runs.namespaceId);
    this.stood.push({ queues, functions: new Map([...functions, [key, concurrency]]) });
    await this.runs.limitNamespace(concurrency);
    this.functions.set(key, concurrency);
  }

  get isNamespaceLimited(): boolean {
    return (this.functions.get(namespaceKey(this.runs.namespaceId)) ?? null) !== null;
  }

  /** Nothing comes any more. Time passes, what runs ends, pauses end, and the jobs do what they do. */
  async settle(): Promise<void> {
    let hasResumed = false;
    for (let rounds = 0; ; rounds += 1) {
      assert.ok(rounds < MOST_ROUNDS, "it comes to its end");
      await this.runs.passTime(HOUR_MS);
      await this.startAll();
      const { runs } = this.last;
      if (runs.some(isUnderWay)) await this.judged(() => this.endAll());
      else if (runs.some(({ state }) => state === "scheduled")) continue;
      else if (!hasResumed) {
        for (const queue of this.queues.keys()) await this.judged(() => this.resume(queue));
        hasResumed = true;
      } else break;
    }
    await this.judged(() => this.runJobs());
    const open = this.last.runs.filter(({ state }) => state !== "dead");
    assert.deepEqual(open, [], "nothing is stuck");
    await this.assertNothingLeft();
  }

  private async assertNothingLeft(): Promise<void> {
    const out = this.last.limits.filter(({ permitsHeld }) => permitsHeld !== 0);
    assert.deepEqual(out, [], "no permit is out");
    const limited = [
      ...[...this.queues].flatMap(([name, state]) => (isLimited(state) ? [this.runs.keyOf(name)] : [])),
      ...[...this.functions].flatMap(([key, concurrency]) => (concurrency === null ? [] : [key])),
    ];
    const keys = this.last.limits.map(({ key }) => key);
    assert.deepEqual(keys.sort(), limited.sort(), "no row is left behind");
    assert.equal(await this.runs.countLeft(), 0, "nothing is left to be counted off or waited for");
  }

  private async runJobs(): Promise<void> {
    await this.runs.queueRetries();
    for (const name of LIMIT_JOBS) await this.runs.job(name);
  }

  /** Until nothing moves: then whoever does not run is held by a limit. */
  private async startAll(): Promise<void> {
    let before: LimitsSnapshot | undefined;
    for (let rounds = 0; !isDeepStrictEqual(before, this.last); rounds += 1) {
      assert.ok(rounds < MOST_ROUNDS, "it comes to rest");
      before = this.last;
      await this.judged(async () => {
        await this.runJobs();
        await this.claimDue(0, 1_000);
      });
    }
    const idle = this.oracle.findIdle(this.last, this.settings(), this.runs.now.getTime());
    assert.deepEqual(idle, [], "runs wait although there is room");
  }

  /** What workers have that live; the others are rescued. */
  private async endAll(): Promise<void> {
    for (const worker of this.runs.workers.keys())
      await this.runs.end(worker, Number.POSITIVE_INFINITY, "succeeded", false);
  }
}
