/** Retries: whether an attempt is tried again, and when. Pure; `random` is injected so that tests can pin it. */

import type { Json } from "../json.ts";
import type { AttemptEnd } from "./attempt.ts";
import { isRunErrorCode, type RunError, type RunErrorCode } from "./run-errors.ts";
import { exceedsDeadline } from "./run-time-limits.ts";

/** Without a kind it is this one. */
export interface ExponentialBackoff {
  kind?: "exponential" | undefined;
  initialMs: number;
  factor: number;
  maxMs: number;
  jitter: boolean;
}

export type Backoff =
  | ExponentialBackoff
  | { kind: "linear"; initialMs: number; maxMs: number; jitter: boolean }
  | { kind: "list"; waitsMs: number[]; jitter: boolean };

/** An error code, an HTTP status, or a class of statuses: `"5xx"`. */
export type RetriedFailure = number | string;

export interface RetryPolicy {
  /** Attempts in all, the first one included. */
  maxAttempts: number;
  backoff: Backoff;
  /** Which failures are tried again; left out: those that may pass by themselves. */
  on?: RetriedFailure[] | undefined;
}

/** The longest a server's Retry-After is obeyed. */
export const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

/**
 * The wait before attempt `failedAttempt + 1`, n being the attempt that failed: exponential, initial · factor^(n − 1);
 * linear, initial · n; each at most `maxMs`; of a list the nth, or its last. Jitter takes a random half away ("equal
 * jitter"), so that a herd spreads out and nobody waits next to nothing.
 */
export function backoffMs(
  { backoff }: RetryPolicy,
  failedAttempt: number,
  random: () => number = Math.random,
): number {
  const full = fullWaitMs(backoff, failedAttempt);
  return Math.round(backoff.jitter ? full / 2 + (random() * full) / 2 : full);
}

function fullWaitMs(backoff: Backoff, failedAttempt: number): number {
  if (backoff.kind === "list") return backoff.waitsMs[failedAttempt - 1] ?? backoff.waitsMs.at(-1)!;
  const { initialMs, maxMs } = backoff;
  const grown = backoff.kind === "linear" ? failedAttempt : backoff.factor ** (failedAttempt - 1);
  return Math.min(maxMs, initialMs * grown);
}

/** Failures that say themselves whether they are tried again, and those that no attempt ends with. */
const UNLISTABLE: ReadonlySet<string> = new Set<RunErrorCode>([
  "expired",
  "deadline_exceeded",
  "function_retry",
  "function_fatal",
  "reported_failure",
  "outcome_unknown",
  "response_lost",
]);

/** Whether `retry.on` may name this code. */
export const isListable = (code: string): boolean => isRunErrorCode(code) && !UNLISTABLE.has(code);

/** Whether a failure is one that is tried again while attempts are left. */
export function isRetried(
  { error, retryable }: Pick<Extract<AttemptEnd, { kind: "failed" }>, "error" | "retryable">,
  { on }: Pick<RetryPolicy, "on">,
): boolean {
  if (on === undefined || UNLISTABLE.has(error.code)) return retryable;
  const status = error.code === "http_status" ? statusOf(error) : undefined;
  return on.some(
    (listed) =>
      listed === error.code ||
      (status !== undefined && (listed === status || listed === `${Math.floor(status / 100)}xx`)),
  );
}

function statusOf({ details }: RunError): number | undefined {
  const status = (details as { status?: unknown } | null | undefined)?.status;
  return typeof status === "number" ? status : undefined;
}

/** What becomes of a run after one attempt. */
export type RunVerdict =
  | { state: "succeeded"; result: Json }
  | { state: "cancelled" }
  | { state: "expired"; error: RunError }
  | { state: "scheduled"; availableAt: Date; error: RunError }
  | { state: "dead" | "failed"; error: RunError; result?: Json };

/** Of a run whose attempt goes on elsewhere, to be completed from there. */
export interface Deferral {
  state: "deferred";
  completeBy: Date;
}

export interface AttemptFacts {
  attempt: number;
  retry: RetryPolicy;
  /** Whether a run that has used up its attempts waits in the dead letters. */
  deadLetter: boolean;
  /** No attempt begins at this instant or later; null: any may. */
  deadlineAt: Date | null;
}

export function decideVerdict(
  outcome: AttemptEnd,
  facts: AttemptFacts,
  now: Date,
  random: () => number = Math.random,
): RunVerdict {
  if (outcome.kind === "succeeded") return { state: "succeeded", result: outcome.result };
  if (outcome.kind === "cancelled") return { state: "cancelled" };
  if (outcome.kind === "expired") return { state: "expired", error: outcome.error };
  const { error, result } = outcome;
  const giveUp = (why: RunError): RunVerdict => ({
    state: facts.deadLetter ? "dead" : "failed",
    error: why,
    ...(result === undefined ? {} : { result }),
  });
  const { attempt, retry, deadlineAt } = facts;
  if (!isRetried(outcome, retry) || attempt >= retry.maxAttempts) return giveUp(error);
  const availableAt = new Date(now.getTime() + waitMs(outcome, facts, random));
  if (deadlineAt && availableAt >= deadlineAt) return giveUp(exceedsDeadline(deadlineAt, error));
  return { state: "scheduled", availableAt, error };
}

function waitMs(
  { waitMs, retryAfterMs }: Extract<AttemptEnd, { kind: "failed" }>,
  { attempt, retry }: AttemptFacts,
  random: () => number,
): number {
  if (waitMs !== undefined) return waitMs;
  const asked = Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
  return Math.max(asked, backoffMs(retry, attempt, random));
}
