/** Retries: whether an attempt is tried again, and when. Pure; `random` is injected so that tests can pin it. */

import type { Json } from "../json.ts";
import type { AttemptOutcome } from "./attempt.ts";
import type { RunError } from "./run-errors.ts";

export interface RetryPolicy {
  /** Attempts in all, the first one included. */
  maxAttempts: number;
  backoff: { initialMs: number; factor: number; maxMs: number; jitter: boolean };
}

/** The longest a server's Retry-After is obeyed. */
export const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

/**
 * The wait before attempt `failedAttempt + 1`: initial · factor^(failedAttempt − 1), at most `maxMs`. Jitter takes
 * a random half away ("equal jitter"), so that a herd spreads out and nobody waits next to nothing.
 */
export function backoffMs(
  policy: RetryPolicy,
  failedAttempt: number,
  random: () => number = Math.random,
): number {
  const { initialMs, factor, maxMs, jitter } = policy.backoff;
  const full = Math.min(maxMs, initialMs * factor ** (failedAttempt - 1));
  return Math.round(jitter ? full / 2 + (random() * full) / 2 : full);
}

/** What becomes of a run after one attempt. */
export type RunVerdict =
  | { state: "succeeded"; result: Json }
  | { state: "cancelled" }
  | { state: "scheduled"; availableAt: Date; error: RunError }
  | { state: "dead" | "failed"; error: RunError; result?: Json };

export interface AttemptFacts {
  attempt: number;
  retry: RetryPolicy;
  /** Whether a run that has used up its attempts waits in the dead letters. */
  deadLetter: boolean;
}

export function decideVerdict(
  outcome: AttemptOutcome,
  facts: AttemptFacts,
  now: Date,
  random: () => number = Math.random,
): RunVerdict {
  if (outcome.kind === "succeeded") return { state: "succeeded", result: outcome.result };
  if (outcome.kind === "cancelled") return { state: "cancelled" };
  const { error, retryable, retryAfterMs, result } = outcome;
  if (retryable && facts.attempt < facts.retry.maxAttempts) {
    const asked = Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
    const waitMs = Math.max(asked, backoffMs(facts.retry, facts.attempt, random));
    return { state: "scheduled", availableAt: new Date(now.getTime() + waitMs), error };
  }
  return { state: facts.deadLetter ? "dead" : "failed", error, ...(result === undefined ? {} : { result }) };
}
