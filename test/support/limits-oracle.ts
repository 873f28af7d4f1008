/**
 * What docs/queues.md promises of limits, held against what a database shows: two snapshots, with what was changed and
 * what started between them. It counts runs itself, and shares no decision with what it judges.
 */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { isQueueKey, isRateKey, parentKeyOf } from "../../core/domain/limit-keys.ts";
import { NO_LIMITS, type QueueLimits } from "../../core/domain/queue.ts";
import type { Rate } from "../../core/domain/rate.ts";

export interface OpenRun {
  id: string;
  state: string;
  /** Of all limits that may hold for it. */
  keys: string[];
  /** Of the permits that it holds; a run that is neither under way nor granted any holds none. */
  holds: string[];
  isGranted: boolean;
  /** It is queued, and its time has come. */
  isDue: boolean;
}

export interface CountedLimit {
  key: string;
  /** Less what was given back and is not counted off. */
  permitsHeld: number;
}

/** What stands in the database at one moment. */
export interface LimitsSnapshot {
  runs: OpenRun[];
  limits: CountedLimit[];
}

export interface QueueState {
  limits: QueueLimits;
  /** Infinity: until it is resumed. */
  pausedUntilMs: number | null;
}

/** Limits as they were set, by the names of what they limit. */
export interface LimitSettings {
  queues: ReadonlyMap<string, QueueState>;
  /** Runs at once, by the key of a function or of the namespace. */
  functions: ReadonlyMap<string, number | null>;
}

interface KeyLimit {
  concurrency: number;
  rate: Rate | null;
  isPaused: boolean;
}

/** Of a bucket of starts: when it is full again, between two instants. A start may have been late, and nobody saw by how much. */
interface Used {
  rate: Rate;
  /** Where each start was as late as one may be that puts off no other. */
  leastFullAtMs: number;
  /** Where each came at its instant. */
  mostFullAtMs: number;
}

const NOT_THERE: QueueState = { limits: NO_LIMITS, pausedUntilMs: null };
const nameOf = (queueKey: string) => queueKey.slice(queueKey.indexOf("/") + 1);
const intervalMs = ({ perMs, limit }: Rate) => perMs / limit;
const burst = (rate: Rate) => rate.burst ?? rate.limit;
/** Up to a second, and less than an interval. */
const latenessMs = (rate: Rate) => Math.max(0, Math.min(intervalMs(rate) - 1, 1_000));
/** Instants are floating point numbers of milliseconds, in which sums are not exact. */
const ROUNDING_MS = 0.01;

export const isUnderWay = ({ state }: OpenRun) => state === "running" || state === "deferred";

function limitOf(key: string, { queues, functions }: LimitSettings, nowMs: number): KeyLimit {
  const none = { concurrency: Number.POSITIVE_INFINITY, rate: null, isPaused: false };
  if (/^(function|namespace):/.test(key))
    return { ...none, concurrency: functions.get(key) ?? none.concurrency };
  const { limits, pausedUntilMs } = queues.get(nameOf(parentKeyOf(key) ?? key)) ?? NOT_THERE;
  if (isQueueKey(key))
    return {
      concurrency: limits.concurrency ?? none.concurrency,
      rate: limits.rate,
      isPaused: pausedUntilMs !== null && pausedUntilMs > nowMs,
    };
  if (isRateKey(key)) return { ...none, rate: limits.perKey?.rate ?? null };
  return { ...none, concurrency: limits.perKey?.concurrency ?? none.concurrency };
}

const countHolders = ({ runs }: LimitsSnapshot, key: string) =>
  runs.filter((run) => (run.isGranted ? run.holds.includes(key) : isUnderWay(run) && run.keys.includes(key)))
    .length;

const countUnderWay = ({ runs }: LimitsSnapshot, key: string) =>
  runs.filter((run) => isUnderWay(run) && run.keys.includes(key)).length;

/** Every permit that is counted is held by a run, and every run under way holds those of its limits. */
export function assertCountsTrue({ runs, limits }: LimitsSnapshot): void {
  for (const { key, permitsHeld } of limits) {
    // What a rate counts are starts: of how many run at once it does not ask.
    if (isRateKey(key)) continue;
    const holders = runs.filter(({ holds }) => holds.includes(key)).length;
    assert.equal(permitsHeld, holders, `permits of ${key} are held by runs`);
    const lacking = runs.filter(
      (run) => isUnderWay(run) && run.keys.includes(key) && !run.holds.includes(key),
    );
    assert.deepEqual(lacking, [], `runs are under way without a permit of ${key}`);
  }
}

export class LimitsOracle {
  private readonly buckets = new Map<string, Used>();

  /**
   * @param settings those that stood at any time between the two snapshots, in order
   * @param started the ids of the runs that were claimed between them, as often as they were
   * @param isInOrder nothing started after the settings were changed, as far as they were
   */
  judge(given: {
    before: LimitsSnapshot;
    after: LimitsSnapshot;
    settings: LimitSettings[];
    started: { id: string; keys: string[] }[];
    nowMs: number;
    isInOrder: boolean;
  }): void {
    const { before, after, settings, started, nowMs, isInOrder } = given;
    assertCountsTrue(after);
    const keys = new Set([...after.runs, ...started].flatMap((run) => run.keys));
    const startedOf = Map.groupBy(
      started.flatMap((run) => run.keys.map((key) => ({ key, id: run.id }))),
      ({ key }) => key,
    );
    for (const key of keys) {
      const stood = settings.map((each) => limitOf(key, each, nowMs));
      const most = Math.max(...stood.map(({ concurrency }) => concurrency));
      const starts = startedOf.get(key)?.length ?? 0;
      const told = `${key}, of which ${most} may run, ${starts} started`;
      if (starts > 0) assert.ok(countUnderWay(after, key) <= most, `too many run of ${told}`);
      const held = countHolders(after, key);
      assert.ok(held <= Math.max(most, countHolders(before, key)), `${held} hold permits of ${told}`);
      if (stood.every(({ isPaused }) => isPaused)) assert.equal(starts, 0, `${key} is paused`);
      this.countStarts(
        key,
        stood.map(({ rate }) => rate),
        starts,
        nowMs,
        isInOrder,
      );
    }
    for (const key of this.buckets.keys())
      if (!keys.has(key))
        this.countStarts(
          key,
          settings.map((each) => limitOf(key, each, nowMs).rate),
          0,
          nowMs,
          isInOrder,
        );
  }

  private countStarts(
    key: string,
    stood: (Rate | null)[],
    starts: number,
    nowMs: number,
    isInOrder: boolean,
  ): void {
    const rate = stood.at(-1)!;
    const isSame = stood.every((each) => isDeepStrictEqual(each, rate));
    if (!isSame) this.change(key, rate, nowMs, isInOrder);
    if (!isSame || rate === null) return;
    const used = this.buckets.get(key);
    const takenMs = starts * intervalMs(rate);
    const leastFromMs = nowMs - latenessMs(rate);
    const leastFullAtMs = Math.max(used?.leastFullAtMs ?? leastFromMs, leastFromMs) + takenMs;
    const mostFullAtMs = Math.max(used?.mostFullAtMs ?? nowMs, nowMs) + takenMs;
    const mostMs = nowMs + burst(rate) * intervalMs(rate);
    if (starts > 0)
      assert.ok(leastFullAtMs <= mostMs + ROUNDING_MS, `${starts} started of ${key}, more than its rate`);
    this.buckets.set(key, { rate, leastFullAtMs, mostFullAtMs });
  }

  /** What was used of the one before is used of the next, as far as it fits; where starts went on meanwhile, it is not known. */
  private change(key: string, rate: Rate | null, nowMs: number, isInOrder: boolean): void {
    const used = this.buckets.get(key);
    this.buckets.delete(key);
    if (!used || !rate || !isInOrder) return;
    const convert = (fullAtMs: number) => {
      const starts = Math.min(Math.max(fullAtMs - nowMs, 0) / intervalMs(used.rate), burst(rate));
      return nowMs + starts * intervalMs(rate);
    };
    const [leastFullAtMs, mostFullAtMs] = [convert(used.leastFullAtMs), convert(used.mostFullAtMs)];
    this.buckets.set(key, { rate, leastFullAtMs, mostFullAtMs });
  }

  /** Of the limits that hold for a run, the keys of those that keep it from starting now. */
  blockersOf(run: OpenRun, snapshot: LimitsSnapshot, settings: LimitSettings, nowMs: number): string[] {
    return run.keys.filter((key) => {
      const { concurrency, rate, isPaused } = limitOf(key, settings, nowMs);
      if (isPaused || countHolders(snapshot, key) >= concurrency) return true;
      if (!rate) return false;
      const usedMs = (this.buckets.get(key)?.mostFullAtMs ?? nowMs) - nowMs;
      return usedMs + intervalMs(rate) > burst(rate) * intervalMs(rate) + ROUNDING_MS;
    });
  }

  /** Runs that could start: there is a permit of each of their keys, and their turn has come. */
  findIdle(snapshot: LimitsSnapshot, settings: LimitSettings, nowMs: number): OpenRun[] {
    return snapshot.runs.filter(
      (run) => run.isDue && this.blockersOf(run, snapshot, settings, nowMs).length === 0,
    );
  }
}

/** A queue that limits nothing has no row. */
export const isLimited = ({ limits, pausedUntilMs }: QueueState) =>
  (limits.concurrency ?? limits.rate ?? limits.perKey ?? pausedUntilMs) !== null || limits.restOn429;
