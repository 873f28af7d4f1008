/**
 * Calls that the API hands over without the queue. Otherwise they are like any run: they take a slot, obey their
 * limits, and are logged, cancelled and recorded, but never retried.
 *
 * A call: offered → refused, or (reserved, if its function has a concurrency limit) → running → recorded → done, or
 * lost, if its API gave it up meanwhile or this worker cannot record it. direct-record.ts explains how its rows are
 * written.
 */
import type { Clock } from "../../core/clock.ts";
import type { CallerStream } from "../../core/contracts/call-stream.ts";
import {
  type CallAnswer,
  type DirectCall,
  type DirectOutcome,
  NO_PERMIT,
  type RefusalReason,
} from "../../core/contracts/direct-call.ts";
import { CALL_POLICY } from "../../core/contracts/task-policy.ts";
import type { RunTrigger } from "../../core/domain/run-trigger.ts";
import type { Json } from "../../core/json.ts";
import { LazyAbort } from "../../core/lazy-abort.ts";
import type { ClaimedRun } from "../../core/store/runs/claimed-run.ts";
import type { DirectRun, Reservation } from "../../core/store/runs/direct.ts";
import type { FinishedAttempt } from "../../core/store/runs/finish.ts";
import { DIRECT_CLAIM_NO } from "../../core/store/runs/insert.ts";
import type { DirectCallEnd } from "../../core/telemetry/metrics/worker.ts";
import type { HttpCall } from "../sandbox/invocation.ts";
import type { Slots } from "../slots.ts";
import { type Gate, openGate } from "./call-gate.ts";
import { createCallResponse } from "./call-response.ts";
import { createDirectRecord, type RecordParts } from "./direct-record.ts";
import { recordAnswered } from "./record-answered.ts";
import { createSlotShares } from "./slot-shares.ts";

/** How a direct run differs from a claimed one. */
export interface DirectWay {
  isDirect: true;
  http?: HttpCall;
  record(attempt: FinishedAttempt): Promise<unknown>;
  /** Aborted with an `AttemptStop` where the run must not go on. */
  stopped: LazyAbort;
  /** Whether its row is known to be in the table. */
  isInTable(): boolean;
}

export interface DirectCallsParts extends RecordParts {
  clock: Clock;
  slots: Slots;
  /** Of those slots, however many are free. */
  totalSlots: number;
  /** Room for a call of so many bytes, until what it answers is called; undefined: there is none now. */
  enterRoom(bytes: number): (() => void) | undefined;
  isDraining(): boolean;
  /** Whether the lease has stood all the time since: calls of a worker that stood still were given up. */
  watchLease(): () => boolean;
  /** The most a run of the revision may take; never rejects. */
  findTimeoutMs(revisionId: string): Promise<number>;
  /** Runs it in the slot that was taken for it, and gives that back. Rejects where it could not be recorded. */
  work(run: ClaimedRun, way: DirectWay): Promise<unknown>;
  releaseSlot(): void;
  reserve(run: DirectRun): Promise<Reservation>;
  /** How a call ended, or why it was refused. */
  onEnd(end: DirectCallEnd): void;
  /**
   * Whether the worker has just come: then its first call over HTTP is visible at once, for it waits for an executor
   * anyway, and its response need not wait for its row after that.
   */
  isNew(): boolean;
}

/** A call under way. */
export interface BegunCall {
  /** Of a call over HTTP. */
  feed: CallerStream | undefined;
  /** The connection it came by is gone: it goes on where it is still this worker's. */
  connectionGone(): void;
}

export interface DirectCalls {
  /**
   * Begins a call, or refuses it.
   * @param bytes what it takes as JSON; default: little
   */
  begin(call: DirectCall, answer: CallAnswer, bytes?: number): BegunCall | undefined;
}

export function createDirectCalls(parts: DirectCallsParts): DirectCalls {
  const { clock, slots } = parts;
  const shares = createSlotShares(parts.totalSlots);
  let isFirst = true;

  /** Whether the run may begin; where not, its slot is given back and its API is told. */
  async function reserve(run: DirectRun, answer: CallAnswer): Promise<boolean> {
    const reservation = await parts.reserve(run).catch((error: unknown) => {
      parts.releaseSlot();
      throw error;
    });
    if (reservation === "reserved") return true;
    parts.releaseSlot();
    if (reservation === "no_permit") {
      parts.onEnd("no_permit");
      answer.refused(NO_PERMIT);
    } else {
      parts.onEnd("lost");
      answer.lost();
    }
    return false;
  }

  /** @param gone the connection that it came by is gone */
  async function serve(
    call: DirectCall,
    answer: CallAnswer,
    gate: Gate | undefined,
    gone: LazyAbort,
  ): Promise<void> {
    const http = gate && call.http && gate.toCall(call.http);
    const [startedAt, startedMs] = [clock.now(), clock.steadyMs()];
    const hasStood = parts.watchLease();
    const timeoutMs = await parts.findTimeoutMs(call.revisionId);
    if (gone.aborted || !hasStood() || parts.isDraining()) {
      // It took so long that its caller may have been answered: it does not begin.
      const reason = parts.isDraining() ? "draining" : "busy";
      parts.releaseSlot();
      parts.onEnd(reason);
      answer.refused(reason);
      return;
    }
    const ageMs = () => clock.steadyMs() - startedMs;
    const trigger: RunTrigger = http ? "http" : "invoke";
    const { runId: id, namespaceId, functionId, revisionId, tag, input, traceparent } = call;
    const target = tag === undefined ? undefined : { tag };
    const facts = { id, namespaceId, functionId, revisionId, trigger, target, input, timeoutMs, traceparent };
    if (call.isLimited && !(await reserve({ ...facts, ageMs: ageMs() }, answer))) return;
    if (http?.head.hasBody) answer.accepted();

    const rows = createDirectRecord(parts, facts, ageMs, call.isLimited, gone);
    const response = http && createCallResponse(http, answer, rows.show);
    if (isFirst && response) {
      isFirst = false;
      if (parts.isNew()) void rows.show();
    }
    let outcome: DirectOutcome | undefined;
    const way: DirectWay = {
      isDirect: true,
      ...(response ? { http: response.http } : {}),
      stopped: rows.stopped,
      isInTable: rows.isShown,
      async record(ended) {
        const answered = { cut: gate?.cut(), sentBytes: response?.sentBytes() };
        outcome = await recordAnswered(ended, answered, rows.end);
      },
    };
    try {
      await parts.work(toClaimedRun(call, { trigger, timeoutMs, startedAt }), way);
    } finally {
      rows.close();
    }
    await response?.settled();
    parts.onEnd(outcome?.state ?? "lost");
    if (outcome) answer.done(outcome);
    else answer.lost();
  }

  /** Why the call is not taken; undefined: a slot is its own now, within its share. */
  function takeSlot(call: DirectCall): Exclude<RefusalReason, typeof NO_PERMIT> | undefined {
    if (parts.isDraining()) return "draining";
    if (slots.free() < 1 || !parts.watchLease()()) return "busy";
    if (!shares.take(call)) return "share";
    slots.take(1);
    return undefined;
  }

  return {
    begin(call, answer, bytes = 0) {
      const leaveRoom = parts.enterRoom(bytes);
      const refusal = leaveRoom ? takeSlot(call) : "busy";
      if (refusal) {
        leaveRoom?.();
        parts.onEnd(refusal);
        answer.refused(refusal);
        return undefined;
      }
      const gate = call.http && openGate(answer);
      const gone = new LazyAbort();
      serve(call, answer, gate, gone)
        .catch((error: unknown) => {
          parts.onError(error, call.runId);
          parts.onEnd("error");
          answer.lost();
        })
        .finally(() => {
          shares.release(call);
          leaveRoom?.();
        });
      return { feed: gate?.feed, connectionGone: () => gone.abort() };
    },
  };
}

function toClaimedRun(
  call: DirectCall,
  { trigger, timeoutMs, startedAt }: Pick<ClaimedRun, "trigger" | "startedAt"> & { timeoutMs: number },
): ClaimedRun {
  return {
    id: call.runId,
    claimNo: DIRECT_CLAIM_NO,
    namespaceId: call.namespaceId,
    taskId: null,
    // A source stands for its value: what becomes of an input is that it is written.
    spec: { type: "function", function: call.functionName, input: call.input as Json },
    attempt: 1,
    attemptOffset: 0,
    policy: { ...CALL_POLICY, timeoutMs },
    limitsFrom: null,
    scheduledFor: startedAt,
    startedAt,
    functionId: call.functionId,
    revisionId: call.revisionId,

    holdsPermits: call.isLimited,
    hasCallbacks: false,
    traceparent: call.traceparent ?? null,
    trigger,
  };
}
