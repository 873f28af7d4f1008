/**
 * Calling a function: handed to a ready worker where the caller waits and there is one, else recorded and queued; the
 * caller waits for the end, or gets the run's address.
 */

import type { DirectCall } from "../../core/contracts/direct-call.ts";
import { callDurations } from "../../core/domain/call-durations.ts";
import type { QueuePlace } from "../../core/domain/limit-keys.ts";
import type { RunTarget } from "../../core/domain/run-target.ts";
import { pickRevision } from "../../core/domain/traffic.ts";
import { BellhopError, notFound } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { CallableFunction } from "../../core/store/functions/callable.ts";
import { type IdempotentRequest, makeOnce } from "../../core/store/idempotency.ts";
import { enqueueInvocation } from "../../core/store/runs/enqueue.ts";
import { findRun } from "../../core/store/runs/read.ts";
import type { ApiParts } from "../environment.ts";
import { type CallEnd, toCallEnd } from "./call-end.ts";
import type { Caller } from "./caller.ts";
import type { ExpectedEnd } from "./wait.ts";

/** Callers of one API that wait for a worker: each holds a connection, and its request is a row. */
export const MAX_WAITING_CALLERS = 1_000;

export interface FunctionCall {
  runId: string;
  fn: CallableFunction;
  trigger: "invoke" | "http";
  /** Null once it is a row: whoever waits for the end waits for minutes. */
  input: Json;
  /** A revision in place of the one the function's traffic gives. */
  target?: RunTarget | undefined;
  /** How often it is tried at most; default once. What may be tried again goes through the queue. */
  maxAttempts?: number | undefined;
  /** Where it stands, unless it is the queue `default` without a key or a priority. Such a call goes through the queue. */
  place?: QueuePlace | undefined;
  /** Calls with the same one get the same revision while the traffic stands. */
  trafficKey?: string | undefined;
  /** The request's idempotency key, with what it is for. Such a call goes through the queue, where its run is found again. */
  once?: IdempotentRequest | undefined;
  /** The request's span (W3C). */
  traceparent?: string | undefined;
  /** It counts among the runs of the day already, whichever way it goes. */
  isCounted?: boolean;
}

/** What a worker needs of a direct call; undefined where no revision can be told. */
export function toDirectCall({
  runId,
  fn,
  input,
  target,
  trafficKey,
  traceparent,
}: FunctionCall): DirectCall | undefined {
  const revisionId = target
    ? "revision" in target
      ? target.revision
      : fn.tags[target.tag]
    : pickRevision(fn.traffic, fn.id, trafficKey ?? runId);
  if (revisionId === undefined) return undefined;
  return {
    ...{ runId, input, revisionId, namespaceId: fn.namespaceId, functionId: fn.id, functionName: fn.name },
    ...(target && "tag" in target ? { tag: target.tag } : {}),
    isLimited: fn.limits.concurrency !== undefined,
    traceparent,
  };
}

/** A call with a traffic key keeps to the revision that it has now, however long it is queued. */
export function stickyTarget(call: FunctionCall): RunTarget | undefined {
  if (call.target || call.trafficKey === undefined) return call.target;
  const revision = toDirectCall(call)?.revisionId;
  return revision === undefined ? undefined : { revision };
}

export interface StartedCall {
  runId: string;
  /** The run is an earlier request's. */
  isReplay: boolean;
  /** How long its caller waits for its end. */
  waitMs: number;
}

/** Records the call as a run and queues it; with the key of an earlier request it is that one's run, and none is made. */
export async function startInvocation(
  parts: ApiParts,
  call: FunctionCall,
  awaited: boolean,
): Promise<StartedCall> {
  const { runId, fn, trigger, input, traceparent, maxAttempts, place } = call;
  const { attemptMs: timeoutMs, waitMs } = callDurations(fn.limits, parts.functionCaps);
  const request = {
    ...{ runId, trigger, input, timeoutMs, awaited, namespaceId: fn.namespaceId, functionName: fn.name },
    ...{ traceparent, maxAttempts, place },
    target: stickyTarget(call),
  };
  const { id, made } = await makeOnce(parts.store, call.once, runId, async (scope) => {
    const make = () => enqueueInvocation(scope, request);
    const { daily } = parts;
    const run = call.isCounted
      ? await make()
      : await daily.counting(scope, fn.namespaceId, make, call.once !== undefined);
    if (!run) throw notFound("function", fn.name);
    return run;
  });
  if (made) parts.ringer.ring([made]);
  return { runId: id, isReplay: made === undefined, waitMs };
}

/** Before a call is handed to a worker: 429 where the namespace has had its runs of the day. */
export async function countCall({ daily, store }: Pick<ApiParts, "daily" | "store">, call: FunctionCall) {
  if (daily.limitOf(call.fn.namespaceId) === undefined) return;
  await daily.count(store, call.fn.namespaceId);
  call.isCounted = true;
}

/** The call's end: from the worker that took it, or from the queue. */
export async function invokeAndWait(parts: ApiParts, call: FunctionCall, caller: Caller): Promise<EndedCall> {
  const isQueued = call.once !== undefined || (call.maxAttempts ?? 1) > 1 || isOfLimitedQueue(call);
  if (!isQueued) await countCall(parts, call);
  const end = isQueued ? "none" : await invokeDirectly(parts, call, caller);
  return end === "none"
    ? await invokeQueued(parts, call, caller)
    : { runId: call.runId, isReplay: false, end };
}

/** No call passes those that wait for a limit of its queue. */
export const isOfLimitedQueue = ({ fn, place }: FunctionCall) => place !== undefined || fn.isDefaultLimited;

export interface EndedCall extends Omit<StartedCall, "waitMs"> {
  end: CallEnd;
}

async function invokeDirectly(
  parts: ApiParts,
  call: FunctionCall,
  caller: Caller,
): Promise<CallEnd | "none"> {
  const direct = toDirectCall(call);
  if (!direct) return "none";
  return await new Promise((resolve) => {
    if (caller.isGone) return resolve(undefined);
    const stay = caller.onGone(() => resolve(undefined));
    const finish = (end: CallEnd | "none") => {
      stay();
      resolve(end);
    };
    const ignore = () => {};
    parts.direct.begin(direct, {
      ...{
        onFeed: ignore,
        onAccepted: ignore,
        onHead: ignore,
        onData: ignore,
        onEnd: ignore,
        onPull: ignore,
      },
      onDone: finish,
      onNone: () => finish("none"),
      onLost: finish,
    });
  });
}

/** 503 where too many wait. */
export function demandWaitingPlace({ waiter }: Pick<ApiParts, "waiter">): void {
  if (waiter.count < MAX_WAITING_CALLERS) return;
  const message = "Too many callers are waiting for a worker. Try again soon, or use Prefer: respond-async.";
  throw new BellhopError("too_many_waiting", 503, message);
}

/** Takes the call's input away once it is recorded, and says so. */
export async function invokeQueued(
  parts: ApiParts,
  call: FunctionCall,
  caller: Caller,
  onRecorded: () => void = () => {},
): Promise<EndedCall> {
  demandWaitingPlace(parts);
  let expected = parts.waiter.expect(call.runId);
  try {
    const { runId, isReplay, waitMs } = await startInvocation(parts, call, true);
    call.input = null;
    onRecorded();
    const deadlineMs = parts.clock.now().getTime() + waitMs;
    const gone = caller.toSignal();
    if (isReplay) {
      expected.forget();
      expected = parts.waiter.expect(runId);
    }
    const run = { namespaceId: call.fn.namespaceId, runId };
    // The run of an earlier request may have ended long ago.
    const waiting = { expected, deadlineMs, signal: gone, looksAtOnce: isReplay };
    return { runId, isReplay, end: await waitForEnd(parts, run, waiting) };
  } finally {
    expected.forget();
  }
}

export interface EndWait {
  expected: ExpectedEnd;
  /** By the API's clock. */
  deadlineMs: number;
  signal: AbortSignal;
  /** It may have ended before its end was expected. */
  looksAtOnce: boolean;
}

/** How a run ends that is in the table; undefined: it took too long, or nobody waits any more. */
export async function waitForEnd(
  { store, clock }: Pick<ApiParts, "store" | "clock">,
  { namespaceId, runId }: { namespaceId: string; runId: string },
  { expected, deadlineMs, signal, looksAtOnce }: EndWait,
): Promise<CallEnd> {
  const nowMs = () => clock.now().getTime();
  for (let looks = looksAtOnce; !signal.aborted && nowMs() < deadlineMs; looks = false) {
    if (!looks) await expected.next(deadlineMs - nowMs(), signal);
    const end = toCallEnd(await findRun(store, namespaceId, runId));
    if (end) return end;
  }
  return undefined;
}
