/** A call that nobody waits for, and that becomes one run with others: by `debounce` or `collect`. */
import { callDurations } from "../../core/domain/call-durations.ts";
import type { Collect, Debounce } from "../../core/domain/joining.ts";
import { functionKey } from "../../core/domain/limit-keys.ts";
import { moveMade, type TakenKey, takeKey } from "../../core/store/idempotency.ts";
import { collectIn, debounceIn } from "../../core/store/joins/join.ts";
import type { JoinPlace } from "../../core/store/joins/joinable-runs.ts";
import { takeTurn } from "../../core/store/joins/take-turns.ts";
import { toJsonText } from "../../core/store/json-text.ts";
import {
  COLLECTED_INVOCATIONS,
  DEBOUNCED_INVOCATIONS,
  type JoiningInvocation,
} from "../../core/store/runs/joinable.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import type { ApiParts } from "../environment.ts";
import { hashContent } from "../http/content-hash.ts";
import { announceJoined, type JoinIn, joinAtPlace } from "../joins.ts";
import { type FunctionCall, stickyTarget } from "./invoke.ts";

/** One of the two. */
export type CallJoining = { debounce: Debounce } | { collect: Collect };

export interface JoinedInvocation {
  runId: string;
  /** An earlier call has made the run. */
  joined: boolean;
  /** The run is that of an earlier request with the same idempotency key. */
  isReplay: boolean;
}

export async function joinInvocation(
  parts: ApiParts,
  call: FunctionCall,
  joining: CallJoining,
): Promise<JoinedInvocation> {
  const invocation = toInvocation(parts, call);
  return "collect" in joining
    ? await collect(parts, call, invocation, joining.collect)
    : await debounce(parts, call, invocation, joining.debounce);
}

type GivenInvocation = JoiningInvocation & { input: string };

function toInvocation(parts: ApiParts, call: FunctionCall): GivenInvocation {
  const { fn, trigger, input, traceparent, maxAttempts, place } = call;
  const { attemptMs: timeoutMs } = callDurations(fn.limits, parts.functionCaps);
  return {
    ...{
      trigger,
      timeoutMs,
      namespaceId: fn.namespaceId,
      functionName: fn.name,
      traceparent,
      maxAttempts,
      place,
    },
    target: stickyTarget(call),
    input: toJsonText(input),
  };
}

async function debounce(
  parts: ApiParts,
  call: FunctionCall,
  invocation: GivenInvocation,
  debounce: Debounce,
) {
  const { namespaceId, id } = call.fn;
  const place = { namespaceId, scope: `debounce/${functionKey(id)}`, key: debounce.key };
  return await join(parts, call, place, { ...invocation, debounce }, (tx, calls) =>
    debounceIn(tx, place, calls, DEBOUNCED_INVOCATIONS),
  );
}

/** Calls are collected that differ in nothing but their inputs: whatever they say holds for the run. */
async function collect(parts: ApiParts, call: FunctionCall, invocation: GivenInvocation, collect: Collect) {
  const { namespaceId, id } = call.fn;
  const { target = null, maxAttempts = 1, place: queued = null } = invocation;
  const terms = { ...collect, target: target as object | null, maxAttempts, queued: queued as object | null };
  const key = hashContent(JSON.parse(JSON.stringify(terms))).toString("hex");
  const place = { namespaceId, scope: `collect/${functionKey(id)}`, key };
  return await join(parts, call, place, invocation, (tx, calls) =>
    collectIn(tx, place, collect, calls, COLLECTED_INVOCATIONS),
  );
}

async function join<Call>(
  parts: ApiParts,
  { once, runId }: FunctionCall,
  place: JoinPlace,
  joining: Call,
  joinIn: JoinIn<Call>,
): Promise<JoinedInvocation> {
  if (!once) return { ...(await joinAtPlace(parts, place, joining, joinIn)), isReplay: false };
  // With its key it is a transaction of its own.
  const joinOnce = () =>
    inTransaction(parts.store.pool, async (tx) => {
      const earlier = await takeKey(tx, once, runId);
      if (earlier) return { earlier };
      const joined = await joinIn(tx, [joining]);
      const { runId: madeId, ...told } = joined.calls[0]!;
      await moveMade(tx, once, madeId, Buffer.from(JSON.stringify(told)));
      return { joined };
    });
  const { earlier, joined } = await takeTurn(parts.store, place, joinOnce);
  if (earlier) return { runId: earlier.madeId, joined: wasJoined(earlier), isReplay: true };
  announceJoined(parts, joined);
  return { ...joined.calls[0]!, isReplay: false };
}

/** The release before kept no answer beside the run's id: then the run is what is told, as one that was there. */
const wasJoined = ({ answer }: TakenKey): boolean => answer === null || JSON.parse(answer.toString()).joined;
