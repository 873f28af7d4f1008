/** One attempt of one run, as a list of steps: prepare, run, judge, record. */
import type { Clock } from "../core/clock.ts";
import type { AttemptRecord } from "../core/contracts/run.ts";
import { type AttemptOutcome, failed } from "../core/domain/attempt.ts";
import type { AttemptFacts } from "../core/domain/attempt-facts.ts";
import { authorTimeoutMs, HEAD_START_MS } from "../core/domain/call-durations.ts";
import { findFirstCompleteBy } from "../core/domain/completion.ts";
import type { KeptInput } from "../core/domain/kept-input.ts";
import { mayHoldNext } from "../core/domain/overlap.ts";
import { decideVerdict } from "../core/domain/retry.ts";
import { WORKER_LOST, WORKER_STOPPED } from "../core/domain/run-errors.ts";
import {
  exceedsDeadline,
  expired,
  findDeadline,
  fitTimeoutMs,
  isExpired,
} from "../core/domain/run-time-limits.ts";
import type { TaskType } from "../core/domain/task-spec.ts";
import { formatDuration } from "../core/duration.ts";
import { messageOf } from "../core/errors.ts";
import { createInstantWriter } from "../core/instant-text.ts";
import type { LazyAbort } from "../core/lazy-abort.ts";
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import type { AttemptLogLine, TriedAttempt } from "../core/store/runs/finish.ts";
import { NO_SPAN, type Span } from "../core/telemetry/tracing.ts";
import { type AttemptTimes, roomWaitMs } from "./attempt-clock.ts";
import { type AttemptGiven, RunnerContext } from "./attempt-context.ts";
import type { AttemptStop, StopReason } from "./attempt-stop.ts";
import { withFailureLine } from "./failure-line.ts";
import type { TaskRunner } from "./runners/task-runner.ts";

export type Runners = Record<TaskType, TaskRunner>;

/** A runner that does not answer its abort is left behind after this long. */
const ABORT_GRACE_MS = 2_000;

/** Runs the attempt; null when it was released or lost and is not to be recorded. */
export async function runAttempt(
  run: ClaimedRun,
  runners: Runners,
  stop: LazyAbort,
  workerId: string,
  clock: Clock,
  given: AttemptGiven = {},
): Promise<TriedAttempt | null> {
  const limits = findLimits(run);
  const refused = refuseToBegin(run, limits);
  const context = refused ? undefined : new RunnerContext(run, stop, clock, timesOf(run, limits), given);
  const outcome = refused ?? (await runUntilTimeout(run, runners[run.spec.type], context!, clock));
  return endAttempt(run, outcome, { stop, workerId, limits, context, span: given.span ?? NO_SPAN });
}

interface EndFacts {
  stop: LazyAbort;
  workerId: string;
  limits: AttemptLimits;
  /** Absent: it did not begin. */
  context: RunnerContext | undefined;
  span: Span;
}

/** Apart from what waits for the outcome: of each run that is under way V8 keeps all that the waiting function has. */
function endAttempt(
  run: ClaimedRun,
  outcome: AttemptOutcome,
  { stop, workerId, limits, context, span }: EndFacts,
): TriedAttempt | null {
  const reason = stop.aborted ? (stop.reason as AttemptStop).reason : undefined;
  if (reason === "released" || reason === "lost") return null;
  const now = context ? context.instantAfter(context.elapsedMs()) : run.startedAt;
  const told = reason ? replaceOutcome(outcome, reason, run) : outcome;
  const ended = nameDeadline(told, limits, now);
  const { logs, facts, kept } = context ?? NOT_BEGUN;
  // What went wrong with a task of another type is told by its record alone: it has no log of its own.
  const isTold = ended.kind === "failed" && run.spec.type === "function";
  const lines = isTold ? withFailureLine(logs, ended.error, now) : logs;
  const { traceId } = span.logFields;
  const attempt = judge(run, ended, lines, { workerId, now, traceId, facts, deadlineAt: limits.deadlineAt });
  // The next attempt is given what this one was: its row keeps that as it came.
  return kept && attempt.verdict.state !== "scheduled" ? withKeptInput(attempt, kept) : attempt;
}

const NOT_BEGUN = { logs: [], facts: {}, kept: undefined };

interface AttemptLimits {
  /** The task's, cut to what its deadline leaves. */
  timeoutMs: number;
  deadlineAt: Date | null;
}

function findLimits(run: ClaimedRun): AttemptLimits {
  const { timeoutMs, deadlineMs } = run.policy;
  const deadlineAt = findDeadline(run, deadlineMs);
  return { timeoutMs: fitTimeoutMs(timeoutMs, run.startedAt, deadlineAt), deadlineAt };
}

/** How a run ends that was claimed too late; undefined: it may begin. */
function refuseToBegin(
  run: ClaimedRun,
  { timeoutMs, deadlineAt }: AttemptLimits,
): AttemptOutcome | undefined {
  const { ttlMs } = run.policy;
  if (isExpired(run, ttlMs)) return { kind: "expired", error: expired(ttlMs) };
  if (timeoutMs > 0 || !deadlineAt) return undefined;
  return { kind: "failed", error: exceedsDeadline(deadlineAt), retryable: false };
}

/** An attempt that the deadline stopped says so, whichever of its clocks rang. */
function nameDeadline(outcome: AttemptOutcome, { deadlineAt }: AttemptLimits, now: Date): AttemptOutcome {
  if (!deadlineAt || outcome.kind !== "failed" || !outcome.error.code.endsWith("timeout")) return outcome;
  // The sandbox stops a function a little earlier.
  const isOver = deadlineAt.getTime() - now.getTime() <= 2 * HEAD_START_MS;
  return isOver ? { ...outcome, error: exceedsDeadline(deadlineAt), retryable: false } : outcome;
}

const timesOf = ({ policy, startedAt }: ClaimedRun, { deadlineAt }: AttemptLimits): AttemptTimes => ({
  timeoutMs: policy.timeoutMs,
  leftMs: deadlineAt && deadlineAt.getTime() - startedAt.getTime(),
});

/** Never rejects. A promise and no async function: each run that is under way keeps one fewer. */
function runUntilTimeout(
  run: ClaimedRun,
  runner: TaskRunner,
  context: RunnerContext,
  clock: Clock,
): Promise<AttemptOutcome> {
  return new Promise((resolve) => {
    let leaveTimer: (() => void) | undefined;
    const end = (outcome: AttemptOutcome) => {
      context.end();
      leaveTimer?.();
      resolve(outcome);
    };
    context.stop.onAbort(() => {
      // It is left behind.
      if (!context.isOver) leaveTimer = clock.after(ABORT_GRACE_MS, () => end({ kind: "cancelled" }));
    });
    const fail = (error: unknown) => end(toInternalError(error));
    try {
      runner(run, context).then(end, fail);
    } catch (error) {
      fail(error);
    }
  });
}

const toInternalError = (error: unknown) =>
  failed("internal_error", `Bellhop could not run this attempt: ${messageOf(error)}`, { retryable: true });

/** A result that was complete before the stop took effect counts, and so does an answer that puts it off. */
function replaceOutcome(outcome: AttemptOutcome, reason: StopReason, run: ClaimedRun): AttemptOutcome {
  if (outcome.kind === "succeeded") return outcome;
  if (reason === "cancelled") return { kind: "cancelled" };
  if (outcome.kind === "deferred") return outcome;
  if (reason === "cut_off") return { kind: "failed", error: WORKER_LOST, retryable: true };
  if (reason === "shutdown") return { kind: "failed", error: WORKER_STOPPED, retryable: true };
  if (reason === "no_room") {
    const message = `The run waited for ${formatDuration(roomWaitMs(authorTimeoutMs(run, run.policy)))} for room in its worker.`;
    return failed("sandbox_overloaded", message, { retryable: true });
  }
  if (outcome.kind === "failed" && outcome.error.code.endsWith("_timeout")) return outcome;
  const code = run.spec.type === "function" ? "function_timeout" : "timeout";
  const timeoutMs = authorTimeoutMs(run, run.policy);
  return failed(code, `The attempt took longer than its timeout of ${formatDuration(timeoutMs)}.`, {
    retryable: true,
  });
}

function withKeptInput(attempt: TriedAttempt, { value, fate }: KeptInput): TriedAttempt {
  const record: AttemptRecord = { ...attempt.record, input: fate };
  return { ...attempt, record, input: value };
}

const [writeStart, writeEnd] = [createInstantWriter(), createInstantWriter()];

function judge(
  run: ClaimedRun,
  outcome: AttemptOutcome,
  logs: AttemptLogLine[],
  { workerId, now, traceId, facts, deadlineAt }: JudgeFacts,
): TriedAttempt {
  const { spec, policy } = run;
  const record: AttemptRecord = {
    attempt: run.attempt,
    workerId,
    startedAt: writeStart(run.startedAt),
    finishedAt: writeEnd(now),
    error: "error" in outcome ? outcome.error : null,
    ...(traceId === undefined ? undefined : { traceId }),
    ...facts,
  };
  const tried = {
    runId: run.id,
    claimNo: run.claimNo,
    namespaceId: run.namespaceId,
    taskId: run.taskId,
    type: spec.type,
    trigger: run.trigger,
    functionId: run.functionId,
    functionName: spec.type === "function" ? spec.function : null,
    holdsPermits: run.holdsPermits,
    hasCallbacks: run.hasCallbacks,
    revisionId: run.revisionId,
    record,
    logs,
    ...(policy.pauseAfterFailures === null ? undefined : { pausesTask: true as const }),
    ...(mayHoldNext(run.trigger, policy) ? { mayHoldNext: true as const } : undefined),
  };
  const { retry, deadLetter } = policy;
  const limits = { retry, deadLetter, deadlineAt, attempt: run.attempt - run.attemptOffset };
  if (outcome.kind !== "deferred") return { ...tried, verdict: decideVerdict(outcome, limits, now) };
  const completeBy = findFirstCompleteBy(now, { ...policy, deadlineAt });
  return { ...tried, verdict: { state: "deferred", completeBy } };
}

interface JudgeFacts {
  workerId: string;
  now: Date;
  traceId: string | undefined;
  facts: AttemptFacts;
  deadlineAt: Date | null;
}
