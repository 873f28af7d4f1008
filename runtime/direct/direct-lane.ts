/**
 * Calls that the API hands over without the queue. Nothing else is different: they take a slot, obey their limits, are
 * logged, cancelled and recorded like any run, and are never tried again.
 *
 * A call: offered → refused, or (reserved, where its function has a limit of runs at once) → running, unseen → shown as
 * running, when it lasts or its response streams → recorded → done. One that ends unseen is recorded by one insert.
 */
import type { Clock } from "../../core/clock.ts";
import type { DirectCall, DirectOutcome } from "../../core/contracts/direct-call.ts";
import type { HttpResult } from "../../core/contracts/http-call.ts";
import type { RunVerdict } from "../../core/domain/retry.ts";
import type { RunTrigger } from "../../core/domain/run-trigger.ts";
import type { Json } from "../../core/json.ts";
import { type ClaimedRun, INVOCATION_RETRY } from "../../core/store/runs/claimed-run.ts";
import type { DirectRun, FinishedDirectRun } from "../../core/store/runs/direct.ts";
import type { FinishedAttempt } from "../../core/store/runs/finish.ts";
import type { DirectCallEnd } from "../../core/telemetry/metrics/worker.ts";
import type { HttpCall, HttpFeed } from "../sandbox/invocation.ts";
import type { Slots } from "../slots.ts";
import { type CallAnswer, createCallResponse } from "./call-response.ts";

/** A run that takes longer becomes visible as running. */
const SHOWN_AFTER_MS = 100;

/** How a lane's run differs from a claimed one. */
export interface DirectWay {
  isDirect: true;
  http?: HttpCall;
  record(attempt: FinishedAttempt): Promise<unknown>;
}

export interface DirectLaneParts {
  clock: Clock;
  slots: Slots;
  isDraining(): boolean;
  /** The most a run of the revision may take; never rejects. */
  findTimeoutMs(revisionId: string): Promise<number>;
  /** Runs it in the slot that was taken for it, and gives that back. Rejects where it could not be recorded. */
  work(run: ClaimedRun, way: DirectWay): Promise<unknown>;
  releaseSlot(): void;
  show(run: DirectRun): Promise<void>;
  reserve(run: DirectRun): Promise<boolean>;
  /** Records one that was shown; false where it was not there, or somebody else's by then. */
  recordShown(attempt: FinishedAttempt): Promise<boolean>;
  /** Records one that nobody saw. */
  recordEnded(run: FinishedDirectRun): Promise<unknown>;
  onError(error: unknown, runId: string): void;
  /** How a call ended, or why it was refused. */
  onEnd(end: DirectCallEnd): void;
}

export interface DirectLane {
  /** Begins a call, or refuses it. */
  begin(call: DirectCall, answer: CallAnswer): HttpFeed | undefined;
}

export function createDirectLane(parts: DirectLaneParts): DirectLane {
  const { clock, slots } = parts;

  /** The slot is given back where the database does not answer. */
  async function reserve(run: DirectRun): Promise<boolean> {
    try {
      return await parts.reserve(run);
    } catch (error) {
      parts.releaseSlot();
      throw error;
    }
  }

  async function serve(call: DirectCall, answer: CallAnswer, http: HttpCall | undefined): Promise<void> {
    const startedAt = clock.now();
    const timeoutMs = await parts.findTimeoutMs(call.revisionId);
    const ageMs = () => Math.max(0, clock.now().getTime() - startedAt.getTime());
    const trigger: RunTrigger = http ? "http" : "invoke";
    const { runId: id, namespaceId, functionId, revisionId, input, traceparent } = call;
    const facts = { id, namespaceId, functionId, revisionId, trigger, input, timeoutMs, traceparent };
    if (call.isLimited && !(await reserve({ ...facts, ageMs: ageMs() }))) {
      parts.releaseSlot();
      parts.onEnd("no_room");
      answer.refused("no_room");
      return;
    }
    if (http?.head.hasBody) answer.accepted();

    let shown: Promise<boolean> | undefined = call.isLimited ? Promise.resolve(true) : undefined;
    const show = () => {
      shown ??= parts.show({ ...facts, ageMs: ageMs() }).then(
        () => true,
        (error: unknown) => {
          parts.onError(error, id);
          return false;
        },
      );
      return shown;
    };
    const forgetShowing = clock.after(SHOWN_AFTER_MS, () => void show());

    const response = http && createCallResponse(http, answer, show);
    let outcome: DirectOutcome = { state: "cancelled" };
    const record = async (attempt: FinishedAttempt): Promise<void> => {
      forgetShowing();
      outcome = toDirectOutcome(attempt.verdict);
      const recorded = http ? withoutBody(attempt, response!.sentBytes()) : attempt;
      const isShown = await shown;
      // Where showing it failed, its row may be there all the same.
      const isRecorded = isShown !== undefined && (await parts.recordShown(recorded));
      if (!isShown && !isRecorded)
        await parts.recordEnded({ ...recorded, trigger, input, timeoutMs, traceparent, durationMs: ageMs() });
    };
    try {
      const run = toClaimedRun(call, { trigger, timeoutMs, startedAt });
      await parts.work(run, { isDirect: true, ...(response ? { http: response.http } : {}), record });
    } finally {
      forgetShowing();
    }
    await response?.settled();
    parts.onEnd(outcome.state);
    answer.done(outcome);
  }

  return {
    begin(call, answer) {
      if (parts.isDraining() || slots.free() < 1) {
        const reason = parts.isDraining() ? "draining" : "busy";
        parts.onEnd(reason);
        answer.refused(reason);
        return undefined;
      }
      slots.take(1);
      const gate = call.http && openGate(call.http, answer);
      serve(call, answer, gate?.http).catch((error: unknown) => {
        parts.onError(error, call.runId);
        parts.onEnd("error");
        const message = "The worker could not record this run.";
        answer.done({ state: "failed", error: { code: "internal_error", message } });
      });
      return gate?.feed;
    },
  };
}

/** The call of the sandbox, and the feed into it, which is there before the sandbox is asked. */
function openGate(head: HttpCall["head"], answer: CallAnswer): { http: HttpCall; feed: HttpFeed } {
  let opened: HttpFeed | undefined;
  const kept: ((feed: HttpFeed) => void)[] = [];
  const say = (act: (feed: HttpFeed) => void) => {
    if (opened) act(opened);
    else kept.push(act);
  };
  return {
    http: {
      head,
      onOpen(feed) {
        opened = feed;
        for (const act of kept.splice(0)) act(feed);
      },
      onHead: (given) => answer.head(given),
      onData: (bytes) => answer.data(bytes),
      onEnd: () => answer.end(),
      onPull: (bytes) => answer.pull(bytes),
    },
    feed: {
      data: (bytes) => say((feed) => feed.data(bytes)),
      end: () => say((feed) => feed.end()),
      pull: (bytes) => say((feed) => feed.pull(bytes)),
      leave: () => say((feed) => feed.leave()),
    },
  };
}

function toClaimedRun(
  call: DirectCall,
  { trigger, timeoutMs, startedAt }: Pick<ClaimedRun, "trigger" | "timeoutMs" | "startedAt">,
): ClaimedRun {
  return {
    id: call.runId,
    claimNo: 1,
    namespaceId: call.namespaceId,
    taskId: null,
    spec: { type: "function", function: call.functionName, input: call.input },
    attempt: 1,
    attemptOffset: 0,
    retry: INVOCATION_RETRY,
    deadLetter: false,
    timeoutMs,
    scheduledFor: startedAt,
    startedAt,
    functionId: call.functionId,
    revisionId: call.revisionId,
    holdsRoom: call.isLimited,
    traceparent: call.traceparent ?? null,
    trigger,
  };
}

function toDirectOutcome(verdict: RunVerdict): DirectOutcome {
  if (verdict.state === "succeeded") return { state: "succeeded", result: verdict.result };
  if (verdict.state === "cancelled") return { state: "cancelled" };
  return { state: "failed", error: verdict.error };
}

/** What is recorded of a response: its status and its size. */
function withoutBody(attempt: FinishedAttempt, sentBytes: number): FinishedAttempt {
  const { verdict } = attempt;
  if (verdict.state !== "succeeded") return attempt;
  const result = verdict.result as unknown as HttpResult;
  const bodyBytes = "body" in result ? Buffer.byteLength(result.body) : sentBytes;
  return {
    ...attempt,
    verdict: { state: "succeeded", result: { status: result.status, bodyBytes } as Json },
  };
}
