/**
 * How long a run may wait and take, from the instant it was scheduled for: its `ttl` ends before its first attempt, its
 * `deadline` lies over all of them. Pure: instants are told by the database's clock.
 */
import { formatDuration } from "../duration.ts";
import { type RunError, runError } from "./run-errors.ts";

export interface RunTimes {
  scheduledFor: Date;
  /** Of the last redrive; null: there was none. */
  redrivenAt: Date | null;
  /** Of the claim. */
  startedAt: Date;
  /** 1: nobody had claimed it before. */
  claimNo: number;
}

/** Whether its first attempt came too late to begin. What has begun once, or was redriven, does not expire. */
export function isExpired(
  { scheduledFor, startedAt, claimNo }: Omit<RunTimes, "redrivenAt">,
  ttlMs: number | null,
): ttlMs is number {
  return ttlMs !== null && claimNo === 1 && startedAt.getTime() >= scheduledFor.getTime() + ttlMs;
}

export const expired = (ttlMs: number): RunError =>
  runError("expired", `The run had not started within ${formatDuration(ttlMs)} of its instant, its ttl.`);

/** The instant at which the run must be over; a redrive counts anew. Null: there is none. */
export function findDeadline(
  { scheduledFor, redrivenAt }: Pick<RunTimes, "scheduledFor" | "redrivenAt">,
  deadlineMs: number | null,
): Date | null {
  return deadlineMs === null ? null : new Date((redrivenAt ?? scheduledFor).getTime() + deadlineMs);
}

/** What an attempt may take: its timeout, cut to what is left; 0 or less: it cannot begin. */
export function fitTimeoutMs(timeoutMs: number, startedAt: Date, deadlineAt: Date | null): number {
  return deadlineAt ? Math.min(timeoutMs, deadlineAt.getTime() - startedAt.getTime()) : timeoutMs;
}

/** `last`: what the last attempt failed with, where it was not the deadline that stopped it. */
export function exceedsDeadline(deadlineAt: Date, last?: RunError): RunError {
  const when = `The run's deadline, ${deadlineAt.toISOString()},`;
  if (!last) return runError("deadline_exceeded", `${when} passed before it had ended.`);
  const { code, message } = last;
  const details = { lastError: { code, message } };
  return runError("deadline_exceeded", `${when} leaves no time for another attempt.`, details);
}
