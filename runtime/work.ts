/**
 * One run: begun in its slot → ended, which frees the slot of one that was claimed → recorded; or given back, or lost to
 * another worker. If recording fails, the lease takes care of the run.
 */
import type { Clock } from "../core/clock.ts";
import type { LazyAbort } from "../core/lazy-abort.ts";
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import type { TriedAttempt } from "../core/store/runs/finish.ts";
import type { WorkerFacts } from "../core/store/workers.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { WorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import type { Span } from "../core/telemetry/tracing.ts";
import { type Runners, runAttempt } from "./attempt.ts";
import { estimateBytes, estimateSpecBytes } from "./attempt-bytes.ts";
import { type AttemptTracer, endAttemptSpan, runFields } from "./attempt-trace.ts";
import type { CallerMeetings, MetCaller } from "./direct/caller-meetings.ts";
import type { DirectWay } from "./direct/direct-calls.ts";
import type { RunEnd } from "./events/event-intake.ts";
import type { InputRoom } from "./input-room.ts";
import type { MeetCaller } from "./runners/task-runner.ts";
import { isLost, type RunningAttempt, type RunningAttempts } from "./running-attempts.ts";
import type { HttpCall } from "./sandbox/invocation.ts";
import type { Slots } from "./slots.ts";

export interface WorkParts {
  facts: WorkerFacts;
  clock: Clock;
  log: Logger;
  metrics: WorkerMetrics;
  runners: Runners;
  traceAttempt: AttemptTracer;
  slots: Slots;
  room: InputRoom;
  running: RunningAttempts;
  /** Of a run that was claimed: what was recorded; undefined: it is somebody else's by now. */
  recordClaimed(attempt: TriedAttempt, bytes?: number): Promise<TriedAttempt | undefined>;
  /** Absent where no API can reach this worker. */
  callers?: Pick<CallerMeetings, "meet"> | undefined;
}

export interface Work {
  /** Rejects where the run could not be recorded: it is left to its lease. */
  runClaimed(run: ClaimedRun): Promise<RunEnd>;
  /** Rejects likewise. */
  runDirect(run: ClaimedRun, way: DirectWay): Promise<RunEnd>;
}

/** What may differ between runs: where they come from and how they are written. */
interface Way {
  isDirect: boolean;
  http?: HttpCall;
  /** @param bytes by `estimateBytes`, where they are known */
  record(attempt: TriedAttempt, bytes?: number): Promise<unknown>;
  /** Aborted with an `AttemptStop` where the run must not go on. */
  stopped?: LazyAbort;
  isInTable(): boolean;
}

/** What a run under way has taken, and gives back at its end. */
interface Held {
  leaveRoom: (() => void) | undefined;
  leaveSlot: () => void;
  caller: MetCaller | undefined;
}

function passOn(from: LazyAbort, to: LazyAbort): void {
  const stop = () => to.abort(from.reason);
  if (from.aborted) stop();
  else from.onAbort(stop);
}

/** Each call runs one run in a slot that was taken for it, and gives the slot back. */
export function createWork(parts: WorkParts): Work {
  const { facts, clock, log, metrics, runners, traceAttempt, slots, room, running, callers, recordClaimed } =
    parts;
  const claimed: Way = { isDirect: false, isInTable: () => true, record: recordClaimed };

  const releaseSlot = () => slots.release(1);

  function begin(run: ClaimedRun, way: Way, span: Span): RunningAttempt {
    log.debug({ ...runFields(run, span), type: run.spec.type }, "attempt begins");
    const mine = running.begin({ run, span, isDirect: way.isDirect, isInTable: way.isInTable });
    if (way.stopped) passOn(way.stopped, mine.stop);
    return mine;
  }

  const meetCallerOf =
    (run: ClaimedRun, mine: RunningAttempt, held: Held): MeetCaller =>
    async (apiId, request) => {
      held.caller = await callers?.meet(apiId, run.id, mine.stop.signal);
      // Given back meanwhile: nothing goes over, so that another worker can meet it.
      if (!held.caller || mine.stop.aborted) return undefined;
      mine.hasBegunCaller = held.caller.hasBegun;
      return held.caller.toCall(request);
    };

  /** The wait for room is none of the attempt's time. */
  async function enter(run: ClaimedRun, bytes: number, { stop }: RunningAttempt, held: Held) {
    const askedMs = clock.steadyMs();
    held.leaveRoom = await room.take(bytes, stop.signal);
    const waitedMs = Math.floor(clock.steadyMs() - askedMs);
    return { ...run, startedAt: new Date(run.startedAt.getTime() + waitedMs) };
  }

  function record(attempt: TriedAttempt, run: ClaimedRun, way: Way, held: Held): Promise<unknown> {
    // A caller's own share of the slots ends with the record.
    if (held.caller) return held.caller.record(attempt, recordClaimed);
    if (way.isDirect) return way.record(attempt);
    const bytes = estimateBytes(attempt);
    held.leaveSlot = slots.beginRecording(bytes + estimateSpecBytes(run.spec));
    return way.record(attempt, bytes);
  }

  function leave(mine: RunningAttempt, { caller, leaveRoom, leaveSlot }: Held): void {
    caller?.close();
    running.leave(mine);
    leaveRoom?.();
    leaveSlot();
  }

  async function work(run: ClaimedRun, way: Way, span: Span): Promise<RunEnd> {
    const mine = begin(run, way, span);
    const held: Held = { leaveRoom: undefined, leaveSlot: releaseSlot, caller: undefined };
    try {
      const { unloadedBytes } = run;
      const begun = unloadedBytes === undefined ? run : await enter(run, unloadedBytes, mine, held);
      const given = { http: way.http, meetCaller: meetCallerOf(run, mine, held), span };
      const attempt = await runAttempt(begun, runners, mine.stop, facts.id, clock, given);
      mine.isEnded = true;
      endAttemptSpan(span, attempt);
      if (attempt) await record(attempt, run, way, held);
      else if (isLost(mine)) metrics.dropped.inc();
      return attempt ? "recorded" : "given_back";
    } finally {
      leave(mine, held);
    }
  }

  function observeLateness({ startedAt, limitsFrom, scheduledFor }: ClaimedRun): void {
    const lateMs = startedAt.getTime() - (limitsFrom ?? scheduledFor).getTime();
    metrics.lateness.observe(Math.max(lateMs, 0) / 1_000);
  }

  return {
    async runClaimed(run) {
      const span = traceAttempt(run, false);
      if (run.attempt === 1) observeLateness(run);
      try {
        return await work(run, claimed, span);
      } catch (error) {
        log.error({ error, ...runFields(run, span) }, "a run was left to its lease");
        throw error;
      }
    },
    runDirect: (run, way) => work(run, way, traceAttempt(run, true)),
  };
}
