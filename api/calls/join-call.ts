/** A call that nobody waits for, and that becomes one run with others: by `debounce` or `collect`. */
import { callDurations } from "../../core/domain/call-durations.ts";
import type { Collect, Debounce } from "../../core/domain/joining.ts";
import { functionKey } from "../../core/domain/limit-keys.ts";
import { collectIn, debounceIn } from "../../core/store/joins/join.ts";
import { toJsonText } from "../../core/store/json-text.ts";
import {
  COLLECTED_INVOCATIONS,
  DEBOUNCED_INVOCATIONS,
  type JoiningInvocation,
} from "../../core/store/runs/joinable.ts";
import type { ApiParts } from "../environment.ts";
import { hashContent } from "../http/content-hash.ts";
import { type JoinedOnce, joinOnce } from "../joins.ts";
import { type FunctionCall, stickyTarget } from "./invoke.ts";

/** One of the two. */
export type CallJoining = { debounce: Debounce } | { collect: Collect };

export async function joinInvocation(
  parts: ApiParts,
  call: FunctionCall,
  joining: CallJoining,
): Promise<JoinedOnce> {
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
  return await joinOnce(parts, call, place, { ...invocation, debounce }, (tx, calls) =>
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
  return await joinOnce(parts, call, place, invocation, (tx, calls) =>
    collectIn(tx, place, collect, calls, COLLECTED_INVOCATIONS),
  );
}
