/** What a background job of the scheduler is, and what it is given. */

import type { Clock } from "../core/clock.ts";
import type { FunctionLimitCaps } from "../core/domain/function-limits.ts";
import { unsentLevel } from "../core/queue/bounded-sends.ts";
import type { QueueTransport } from "../core/queue/transport.ts";
import type { RunEnds } from "../core/run-ends/run-ends.ts";
import type { ScheduleTime } from "../core/schedule-time.ts";
import type { LeaseJudge, ServerWord } from "../core/store/contact.ts";
import type { DailyLimits } from "../core/store/daily-limits.ts";
import type { Store } from "../core/store/database.ts";
import type { Notifier } from "../core/store/notify.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { DatabaseStatsMetrics } from "../core/telemetry/metrics/database-stats.ts";
import type { SchedulerMetrics } from "../core/telemetry/metrics/scheduler.ts";
import type { Purpose } from "./quiet.ts";
import type { ReringBackoff } from "./rering-overdue.ts";

export interface JobContext {
  store: Store;
  clock: Clock;
  /** Takes the database's word of its time, asked for at an instant of the clock's steady time. */
  hearTime?(word: ServerWord, askedMs: number): void;
  /** What schedules see. */
  time: ScheduleTime;
  transport: QueueTransport;
  notifier: Notifier;
  ends: RunEnds;
  log: Logger;
  metrics: SchedulerMetrics;
  stats: DatabaseStatsMetrics;
  leaseMs: number;
  /** Whether leases may be judged: after a time without a gap in the contact with the database. */
  judge: LeaseJudge;
  retentionDays: number;
  /** Of the audit log. */
  auditRetentionDays: number;
  functionCaps: FunctionLimitCaps;
  /** Left out: namespaces may begin as many runs on a day as they like. */
  daily?: DailyLimits;
  /** How far ahead the stats look for runs that will want a worker. */
  aheadMs: number;
}

export interface Job {
  name: string;
  everyMs: number;
  /** `stopping` aborts when it is to come to its end. */
  run(context: JobContext, backoff: ReringBackoff, stopping: AbortSignal): Promise<unknown>;
  /** In how many milliseconds it is to come again after what it answered, in place of `everyMs`. */
  pace?(answer: unknown): number;
  /** What it is for: without any of it, it looks less often (quiet.ts). Left out: it keeps its period. */
  serves?: Purpose | undefined;
  /** It does not wait for its turn where others do: somebody counts on its seconds. */
  isPrompt?: boolean;
  /** The look for work tells of all that it would find, or nobody waits for it: where all sleep it comes seldom. */
  isPatient?: boolean;
  /** How often it looks at least, also while nothing at all goes on. */
  leastEveryMs?: number;
}

/** What a job answers that came before its time, and did nothing: when it is to come again. */
export class PassedOver {
  readonly restMs: number;

  constructor(restMs: number) {
    this.restMs = restMs;
  }
}

/** Of many runs, or whatever else a job tells of, a line of the log names these. */
export const LOGGED_RUNS = 20;

/** A queue that is away keeps no job from its work: what is not sent is found in the table. */
export async function sendIfPossible({ log }: JobContext, sending: Promise<void>): Promise<boolean> {
  try {
    await sending;
    return true;
  } catch (error) {
    log[unsentLevel(error)]({ error }, "a job's bells were not sent");
    return false;
  }
}
