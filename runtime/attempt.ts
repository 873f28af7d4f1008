/** One attempt of one run, as a list of steps: prepare, run, judge, record. */
import type { Clock } from "../core/clock.ts";
import type { AttemptRecord } from "../core/contracts/run.ts";
import { type AttemptOutcome, failed } from "../core/domain/attempt.ts";
import {
  type AttemptFacts,
  addRequest,
  type IsolateFacts,
  type SubRequest,
} from "../core/domain/attempt-facts.ts";
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
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import type { AttemptLogLine, TriedAttempt } from "../core/store/runs/finish.ts";
import { NO_SPAN, type Span } from "../core/telemetry/tracing.ts";
import { roomWaitMs, startAttemptClock } from "./attempt-clock.ts";
import { withFailureLine } from "./failure-line.ts";
import type { AttemptContext, TaskRunner } from "./runners/task-runner.ts";

/**
 * Why an attempt is stopped from outside. Two are not judged: `released`, which another worker starts anew, and `lost`,
 * whose run is not this worker's any more. `no_room` ends one that waited too long in its worker, `shutdown` one that no
 * other worker may start, `cut_off` one that neither its caller nor the database can be asked about.
 */
export type StopReason = "timeout" | "no_room" | "cancelled" | "released" | "lost" | "shutdown" | "cut_off";

export class AttemptStop extends Error {
  readonly reason: StopReason;
  constructor(reason: StopReason) {
    super(`the attempt was stopped: ${reason}`);
    this.reason = reason;
  }
}

export type Runners = Record<TaskType, TaskRunner>;

/** A runner that does not answer its abort is left behind after this long. */
const ABORT_GRACE_MS = 2_000;

/** Runs the attempt; null when it was released or lost and is not to be recorded. */
export async function runAttempt(
  run: ClaimedRun,
  runners: Runners,
  stop: AbortController,
  workerId: string,
  clock: Clock,
  { span = NO_SPAN, ...called }: Pick<AttemptContext, "http" | "meetCaller"> & { span?: Span } = {},
): Promise<TriedAttempt | null> {
  const logs: AttemptLogLine[] = [];
  const facts: AttemptFacts = {};
  let kept: KeptInput | undefined;
  const elapsedMs = startStopwatch(clock);
  const limits = findLimits(run);
  const outcome =
    refuseToBegin(run, limits) ??
    (await runUntilTimeout(run, runners[run.spec.type], stop, logs, clock, {
      ...{ ...called, span, elapsedMs, limits, facts },
      keepInput: (input) => {
        kept = input;
      },
    }));
  const reason = stop.signal.aborted ? (stop.signal.reason as AttemptStop).reason : undefined;
  if (reason === "released" || reason === "lost") return null;
  const now = instantIn(run, elapsedMs());
  const told = reason ? replaceOutcome(outcome, reason, run) : outcome;
  const ended = nameDeadline(told, limits, now);
  // What went wrong with a task of another type is told by its record alone: it has no log of its own.
  const isTold = ended.kind === "failed" && run.spec.type === "function";
  const lines = isTold ? withFailureLine(logs, ended.error, now) : logs;
  const attempt = judge(run, ended, lines, { workerId, now, span, facts, deadlineAt: limits.deadlineAt });
  // The next attempt is given what this one was: its row keeps that as it came.
  return kept && attempt.verdict.state !== "scheduled" ? withKeptInput(attempt, kept) : attempt;
}

/** Whole milliseconds since now, rounded down: an attempt does not end after its run. */
function startStopwatch(clock: Clock): () => number {
  const startedMs = clock.steadyMs();
  return () => Math.floor(clock.steadyMs() - startedMs);
}

/** By the clock that says when the attempt began, the database's where it was claimed: the worker's may be set meanwhile. */
const instantIn = ({ startedAt }: ClaimedRun, sinceMs: number): Date =>
  new Date(startedAt.getTime() + sinceMs);

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

async function runUntilTimeout(
  run: ClaimedRun,
  runner: TaskRunner,
  stop: AbortController,
  logs: AttemptLogLine[],
  clock: Clock,
  {
    elapsedMs,
    limits: { deadlineAt },
    facts,
    ...given
  }: Pick<AttemptContext, "http" | "meetCaller"> & {
    span: Span;
    elapsedMs(): number;
    limits: AttemptLimits;
    facts: AttemptFacts;
    keepInput(kept: KeptInput): void;
  },
): Promise<AttemptOutcome> {
  const startedMs = clock.now().getTime();
  let isOver = false;
  let leaveTimer = () => {};
  const leftMs = deadlineAt && deadlineAt.getTime() - run.startedAt.getTime();
  const times = { timeoutMs: run.policy.timeoutMs, leftMs };
  const time = startAttemptClock(clock, times, (what) => stop.abort(new AttemptStop(what)));
  const abandoned = new Promise<AttemptOutcome>((resolve) => {
    stop.signal.addEventListener("abort", () => {
      if (!isOver) leaveTimer = clock.after(ABORT_GRACE_MS, () => resolve({ kind: "cancelled" }));
    });
  });
  const context = {
    signal: stop.signal,
    ...given,
    time,
    get deadlineAt() {
      return time.deadlineAt;
    },
    noteIsolate(isolate: IsolateFacts) {
      if (!isOver) facts.isolate = roundFacts(isolate);
    },
    noteRequest(request: SubRequest) {
      if (!isOver) addRequest(facts, { ...request, tookMs: Math.round(request.tookMs) }, elapsedMs());
    },
    log(level: string, message: string, fields?: AttemptLogLine["fields"], at?: Date) {
      // A runner that was left behind may still speak.
      if (isOver) return undefined;
      const nowMs = elapsedMs();
      const saidMs = at ? clampMs(at.getTime() - startedMs, nowMs) : nowMs;
      const line = { at: instantIn(run, saidMs), level, message, fields };
      logs.push(line);
      return line;
    },
  };
  try {
    return await Promise.race([runner(run, context), abandoned]);
  } catch (error) {
    return failed("internal_error", `Bellhop could not run this attempt: ${messageOf(error)}`, {
      retryable: true,
    });
  } finally {
    isOver = true;
    time.end();
    leaveTimer();
  }
}

const round = (ms: number) => Math.round(ms * 100) / 100;

function roundFacts({ loadMs, cpuMs, ...facts }: IsolateFacts): IsolateFacts {
  return {
    ...facts,
    ...(loadMs === undefined ? {} : { loadMs: round(loadMs) }),
    ...(cpuMs === undefined ? {} : { cpuMs: round(cpuMs) }),
  };
}

/** Clocks differ a little; a line's instant may lie this far outside its attempt. */
const CLOCK_SKEW_MS = 60_000;

/** Logs stand in the partition of their day: an instant the executor made up must not choose it. */
function clampMs(saidMs: number, nowMs: number): number {
  return saidMs >= -CLOCK_SKEW_MS && saidMs <= nowMs + CLOCK_SKEW_MS ? saidMs : nowMs;
}

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

function judge(
  run: ClaimedRun,
  outcome: AttemptOutcome,
  logs: AttemptLogLine[],
  {
    workerId,
    now,
    span: { logFields },
    facts: told,
    deadlineAt,
  }: { workerId: string; now: Date; span: Span; facts: AttemptFacts; deadlineAt: Date | null },
): TriedAttempt {
  const facts = { ...run.policy, deadlineAt, attempt: run.attempt - run.attemptOffset };
  const tried = {
    runId: run.id,
    claimNo: run.claimNo,
    namespaceId: run.namespaceId,
    taskId: run.taskId,
    type: run.spec.type,
    trigger: run.trigger,
    functionId: run.functionId,
    functionName: run.spec.type === "function" ? run.spec.function : null,
    holdsPermits: run.holdsPermits,
    hasCallbacks: run.hasCallbacks,
    revisionId: run.revisionId,
    record: {
      attempt: run.attempt,
      workerId,
      startedAt: run.startedAt.toISOString(),
      finishedAt: now.toISOString(),
      error: "error" in outcome ? outcome.error : null,
      ...(logFields.traceId === undefined ? {} : { traceId: logFields.traceId }),
      ...told,
    },
    logs,
    ...(run.policy.pauseAfterFailures === null ? {} : { pausesTask: true as const }),
    ...(mayHoldNext(run.trigger, run.policy) ? { mayHoldNext: true as const } : {}),
  };
  if (outcome.kind !== "deferred") return { ...tried, verdict: decideVerdict(outcome, facts, now) };
  return { ...tried, verdict: { state: "deferred", completeBy: findFirstCompleteBy(now, facts) } };
}
