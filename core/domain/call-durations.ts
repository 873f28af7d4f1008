/**
 * How long a call of a function may take, from the inside out: the function, the attempt around it, the caller who waits
 * for it. Authors know the first alone, so messages name that one.
 */

import { type AskedLimits, effectiveLimits, type FunctionLimitCaps } from "./function-limits.ts";
import type { RunTrigger } from "./run-trigger.ts";

/** A function is stopped this much before its attempt's own clock rings: the sandbox's word says more. */
export const HEAD_START_MS = 50;
/** For what comes before the function, and for the head start: so that it has all of its time. */
const ATTEMPT_SLACK_MS = 2 * HEAD_START_MS;
/** For a worker to come, where a call is queued. */
export const QUEUE_WAIT_MS = 30_000;

export interface CallDurations {
  /** What the function may take: its limit, or the operator's cap. */
  wallMs: number;
  /** The timeout of an attempt of the call. */
  attemptMs: number;
  /** How long a caller waits whose call is queued. */
  waitMs: number;
}

/** Of a call by its API, its URL or a hook: no limit of time but its function's holds for it. */
export function callDurations(asked: AskedLimits, caps: FunctionLimitCaps): CallDurations {
  const { wallMs } = effectiveLimits(asked, caps);
  const attemptMs = wallMs + ATTEMPT_SLACK_MS;
  return { wallMs, attemptMs, waitMs: attemptMs + QUEUE_WAIT_MS };
}

/** What a function may take of the time that its attempt has left; at least 1 ms. */
export function fitWallMs(wallMs: number, leftMs: number): number {
  return Math.min(wallMs, Math.max(1, leftMs - Math.min(HEAD_START_MS, leftMs / 2)));
}

/** The limit that an author knows of an attempt: its task's timeout, or of a call its function's time. */
export function authorTimeoutMs(
  { taskId, trigger }: { taskId: string | null; trigger: RunTrigger },
  { timeoutMs }: { timeoutMs: number },
): number {
  return taskId === null && trigger !== "callback" ? Math.max(1, timeoutMs - ATTEMPT_SLACK_MS) : timeoutMs;
}
