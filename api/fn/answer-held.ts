/**
 * A call of a function's URL whose run is queued while its caller is held here. The worker that claims the run asks for
 * the caller, and from there the call is like one that was handed over at once: bodies stream, and whoever leaves is told
 * of to the function. A request that is here as a whole is recorded with its run, and held no longer; of one that is still
 * coming the body waits, unread.
 *
 * A call: queued → met by its worker → begun (something went over: nobody else is given it) → over. One that is met and
 * not begun is queued again where its worker gives it back. The run's row tells the end where no worker does.
 */
import type { CallerStream } from "../../core/contracts/call-stream.ts";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import { QUEUE_WAIT_MS } from "../../core/domain/call-durations.ts";
import { OUTCOME_UNKNOWN, WORKER_LOST } from "../../core/domain/run-errors.ts";
import { isWholeResponse } from "../../core/domain/stored-request.ts";
import type { Json } from "../../core/json.ts";
import type { CallEnd } from "../calls/call-end.ts";
import type { Caller } from "../calls/caller.ts";
import { type FunctionCall, startInvocation, toDirectCall, waitForEnd } from "../calls/invoke.ts";
import type { CallEvents, DirectCaller } from "../direct/direct-caller.ts";
import type { HandOver } from "../direct/worker-link.ts";
import type { ApiParts } from "../environment.ts";
import { cancelRun } from "../runs/cancel-run.ts";
import type { CallBody } from "./call-body.ts";
import { answerDirectly, type DirectAnswer, type DirectAsking } from "./direct-answer.ts";
import { apiStopping, functionBusy } from "./refusals.ts";
import { takeRequest } from "./take-request.ts";

export interface HeldAsking extends Pick<DirectAsking, "caller" | "breakOff"> {
  /** Once: the call holds nothing of the API any more. */
  onOver(): void;
}

export async function answerHeld(
  parts: ApiParts,
  call: FunctionCall,
  body: CallBody,
  { caller, breakOff, onOver }: HeldAsking,
): Promise<DirectAnswer> {
  const { held, edge } = parts;
  const isWhole = body.arriving === undefined;
  let input: object = { request: { method: body.sent.method, url: body.sent.url } };
  try {
    if (isWhole) input = await takeRequest(body);
  } catch (error) {
    onOver();
    throw error;
  }
  const queued = openHeldCall(
    parts,
    { ...call, input: { ...input, caller: held.apiId } as unknown as Json },
    {
      ...{ caller, isWhole, onOver },
      onRecorded() {
        if (isWhole) body.held.release();
      },
    },
  );
  const direct = { ...toHandedCall(call), http: body.sent };
  const flowing = isWhole ? { body: null, arriving: undefined } : body;
  const answer = await Promise.race([
    answerDirectly({ direct: queued.caller, edge, caller, breakOff }, direct, flowing),
    queued.failed,
  ]);
  // Of a request that is here there is no run that could go on without it.
  const from = await queued.withdrawn();
  if (from && !isWhole && !caller.hasLeft) {
    // Its function may have run: the call is not one to try again.
    if (from === "begun") return { outcome: { state: "failed", error: OUTCOME_UNKNOWN } };
    throw parts.lettingGo.aborted ? apiStopping() : functionBusy();
  }
  return "none" in answer ? { outcome: undefined } : answer;
}

/** What a worker needs that has claimed the call's run, but for a request that its row does not hold. */
function toHandedCall(call: FunctionCall): DirectCall {
  const { runId, fn } = call;
  return {
    ...{ runId, namespaceId: fn.namespaceId, functionId: fn.id, functionName: fn.name },
    ...{ revisionId: toDirectCall(call)?.revisionId ?? "", isLimited: false, isClaimed: true, input: null },
  };
}

interface HeldCall {
  /** Queues the call, and begins it where a worker asks for it. */
  caller: DirectCaller;
  /** Rejects where it could not be queued, or looked after. */
  failed: Promise<never>;
  /**
   * How far it had come where its caller waits no more and no worker has it; once its run is cancelled, where it is to
   * be. Undefined: it was not withdrawn.
   */
  withdrawn(): Promise<"queued" | "begun" | undefined>;
}

interface HeldCallWays {
  caller: Caller;
  /** The run's row holds the whole request. */
  isWhole: boolean;
  onRecorded(): void;
  onOver(): void;
}

function openHeldCall(
  parts: ApiParts,
  call: FunctionCall,
  { caller, isWhole, onRecorded, onOver }: HeldCallWays,
): HeldCall {
  const { runId } = call;
  const { namespaceId } = call.fn;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const recorded = Promise.withResolvers<boolean>();
  let state: "queued" | "met" | "begun" | "over" = "queued";
  let deadlineMs = 0;
  let stopWaiting = () => {};
  let leaveHold = () => {};
  let withdrawn: ReturnType<HeldCall["withdrawn"]> = Promise.resolve(undefined);

  function finish(): void {
    if (state === "over") return;
    state = "over";
    stopWaiting();
    leaveHold();
    onOver();
  }

  /** Nobody waits for it any more. What its row holds as a whole goes on where the API stops, or the wait was too long. */
  function withdraw(): void {
    const from = state === "begun" ? "begun" : "queued";
    finish();
    withdrawn = cancel().then(() => from);
  }

  async function cancel(): Promise<void> {
    if ((isWhole && !caller.hasLeft) || !(await recorded.promise)) return;
    await cancelRun(parts, namespaceId, runId).catch((error: unknown) =>
      parts.log.warn({ error, runId }, "the run of a caller who left was not cancelled"),
    );
  }

  /** Until a worker has it: its row may end otherwise. */
  function watchRow(events: CallEvents, looksAtOnce: boolean): void {
    const expected = parts.waiter.expect(runId);
    const over = new AbortController();
    stopWaiting = () => {
      over.abort();
      expected.forget();
    };
    const { signal } = over;
    const wait = async () => {
      // A worker may have met the caller, and given it back, before the row's answer is here: it says how long to wait.
      if (looksAtOnce) await recorded.promise;
      else await queue();
      if (signal.aborted) return;
      const end = await waitForEnd(
        parts,
        { namespaceId, runId },
        { expected, deadlineMs, signal, looksAtOnce },
      );
      if (signal.aborted) return;
      if (end) finish();
      else withdraw();
      tellEnd(events, end);
    };
    wait().catch((error: unknown) => {
      if (signal.aborted) return;
      finish();
      failed.reject(error);
      events.onNone("left");
    });
  }

  async function queue(): Promise<void> {
    try {
      const { waitMs } = await startInvocation(parts, call, true);
      deadlineMs = Math.max(deadlineMs, parts.clock.now().getTime() + waitMs);
    } catch (error) {
      recorded.resolve(false);
      throw error;
    }
    call.input = null;
    recorded.resolve(true);
    onRecorded();
  }

  function begin(direct: DirectCall, events: CallEvents): void {
    let feed: CallerStream | undefined;
    let hasLeft = false;
    let hasHead = false;
    const { http, ...whole } = direct;
    const handed = isWhole ? whole : direct;
    const lookAfterRow = () => {
      feed = undefined;
      if (hasLeft) {
        withdraw();
        return;
      }
      deadlineMs = Math.max(deadlineMs, parts.clock.now().getTime() + QUEUE_WAIT_MS);
      watchRow(events, true);
    };
    const meet = (hand: HandOver): boolean => {
      if (state !== "queued") return false;
      state = "met";
      stopWaiting();
      feed = hand(handed, {
        ...events,
        onAccepted() {
          state = "begun";
          events.onAccepted();
        },
        onHead(head) {
          state = "begun";
          hasHead = true;
          events.onHead(head);
        },
        onDone(outcome) {
          finish();
          events.onDone(outcome);
        },
        onRefused() {
          state = "queued";
          lookAfterRow();
        },
        onLost() {
          if (hasHead) {
            finish();
            events.onLost({ state: "failed", error: WORKER_LOST });
            return;
          }
          if (state === "met") state = "queued";
          lookAfterRow();
        },
      });
      return true;
    };
    leaveHold = parts.held.hold(runId, meet);
    watchRow(events, false);
    events.onFeed({
      data: (bytes) => feed?.data(bytes),
      end: () => feed?.end(),
      pull: (bytes) => feed?.pull(bytes),
      leave(cut) {
        hasLeft = true;
        if (feed) feed.leave(cut);
        else withdraw();
      },
    });
  }

  return { caller: { begin }, failed: failed.promise, withdrawn: () => withdrawn };
}

/** As the run's row has it. What was answered to a caller who was there is not kept. */
function tellEnd(events: CallEvents, end: CallEnd): void {
  if (!end) events.onNone("left");
  else if (end.state === "succeeded" && !isWholeResponse(end.result)) events.onLost(end);
  else events.onDone(end);
}
