/**
 * Attempts that end later: the server that was sent the request says that it goes on with the work, and ends the attempt
 * by a call. Until then its run is deferred. Pure: instants are told by the database's clock.
 */
import { formatDuration } from "../duration.ts";
import type { Json } from "../json.ts";
import { type AttemptEnd, failed, succeeded } from "./attempt.ts";
import { exceedsDeadline } from "./run-time-limits.ts";

/** What a server says of an attempt that it was sent. */
export type Completion =
  | { heartbeat: true }
  | { result: Json }
  | { error: { message: string; code?: string | undefined; retryable: boolean; details?: Json | undefined } };

interface Limits {
  /** Of the task: how long nothing may be heard since the last heartbeat; without a deadline, also since the 202. */
  timeoutMs: number;
  /** Over all attempts, heartbeats or not. */
  deadlineAt: Date | null;
}

/**
 * When an attempt that was just put off counts as failed, unless somebody has completed it or sent a heartbeat. A server
 * that has never sent one may never do so: all that it owes is the end, by the deadline.
 */
export function findFirstCompleteBy(now: Date, { timeoutMs, deadlineAt }: Limits): Date {
  return deadlineAt ?? new Date(now.getTime() + timeoutMs);
}

/** The same after a heartbeat: who sends them is noticed when they stop. */
export function findNextCompleteBy(now: Date, { timeoutMs, deadlineAt }: Limits): Date {
  const at = now.getTime() + timeoutMs;
  return new Date(deadlineAt ? Math.min(at, deadlineAt.getTime()) : at);
}

export function toAttemptEnd(completion: Exclude<Completion, { heartbeat: true }>): AttemptEnd {
  if ("result" in completion) return succeeded(completion.result);
  const { message, code, retryable, details } = completion.error;
  const told = {
    ...(code === undefined ? {} : { code }),
    ...(details === undefined ? {} : { details }),
  };
  return failed("reported_failure", message, {
    retryable,
    ...(Object.keys(told).length === 0 ? {} : { details: told }),
  });
}

/** The end of an attempt that nobody has completed by `completeBy`. */
export function failOverdue(completeBy: Date, { timeoutMs, deadlineAt }: Limits): AttemptEnd {
  if (deadlineAt && completeBy >= deadlineAt)
    return { kind: "failed", error: exceedsDeadline(deadlineAt), retryable: false };
  const waited = formatDuration(timeoutMs);
  return failed(
    "completion_timeout",
    `The server said that it would complete the run later, but sent nothing for ${waited}, the task's timeout.`,
    { retryable: true },
  );
}
