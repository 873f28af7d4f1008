/**
 * How long a run may wait and take, mostly from the instant it was scheduled for: its `ttl` ends before its first attempt, its
 * `deadline` lies over all of them. Pure: instants are told by the database's clock.
 */
import { formatDuration } from "../duration.ts";
import { type RunError, runError } from "./run-errors.ts";

export interface RunTimes {
  scheduledFor: Date;
  /** From when its limits count in place of `scheduledFor`: its last redrive, or when a backfill made it. Null: from there. */
  limitsFrom: Date | null;
  /** Of the claim. */
  startedAt: Date;
  /** 1: nobody had claimed it before. */
  claimNo: number;
}

/** Whether its first attempt came too late to begin. What has begun once, or was redriven, does not expire. */
export function isExpired(
  { scheduledFor, limitsFrom, startedAt, claimNo }: RunTimes,
  ttlMs: number | null,
): ttlMs is number {
  if (ttlMs === null || claimNo !== 1) return false;
  return startedAt.getTime() >= (limitsFrom ?? scheduledFor).getTime() + ttlMs;
}

export const expired = (ttlMs: number): RunError =>
  runError("expired", `The run had not started within ${formatDuration(ttlMs)} of its instant, its ttl.`);

/** The instant at which the run must be over; a redrive counts anew. Null: there is none. */
export function findDeadline(
  { scheduledFor, limitsFrom }: Pick<RunTimes, "scheduledFor" | "limitsFrom">,
  deadlineMs: number | null,
): Date | null {
  return deadlineMs === null ? null : new Date((limitsFrom ?? scheduledFor).getTime() + deadlineMs);
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
