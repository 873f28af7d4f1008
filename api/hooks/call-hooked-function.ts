/** A call of a function's hook: an invocation, given the request as it came. */
import { callDurations } from "../../core/domain/call-durations.ts";
import type { StoredRequestInput } from "../../core/domain/stored-request.ts";
import type { HookedFunction } from "../../core/store/functions/hooks.ts";
import { type IdempotentRequest, makeOnce } from "../../core/store/idempotency.ts";
import { newId } from "../../core/store/ids.ts";
import { enqueueInvocation, type InvocationRequest } from "../../core/store/runs/enqueue.ts";
import type { ApiParts } from "../environment.ts";
import { unknownHook } from "./unknown-hook.ts";

export interface HookCall {
  /** Undefined: its sender does not tell it from others. */
  once: IdempotentRequest | undefined;
  /** Called before a run is made, and not for a repetition. Throws where the hook takes no more calls. */
  admit(): void;
  traceparent: string | undefined;
}

export interface Enqueued {
  runId: string;
  isReplay: boolean;
}

export async function callHookedFunction(
  { store, ringer, functionCaps, daily }: ApiParts,
  { namespaceId, functionName, tag, maxAttempts, place, limits }: HookedFunction,
  input: StoredRequestInput,
  { once, admit, traceparent }: HookCall,
): Promise<Enqueued> {
  const runId = newId();
  const { id, made } = await makeOnce(store, once, runId, async (scope) => {
    admit();
    const request: InvocationRequest = {
      ...{ runId, namespaceId, functionName, input, trigger: "hook", awaited: false },
      ...{ traceparent, maxAttempts, place },
      timeoutMs: callDurations(limits, functionCaps).attemptMs,
      target: tag === null ? undefined : { tag },
    };
    const make = () => enqueueInvocation(scope, request);
    const run = await daily.counting(scope, namespaceId, make, once !== undefined);
    // Removed this very moment.
    if (!run) throw unknownHook();
    return run;
  });
  if (made) ringer.ring([made]);
  return { runId: id, isReplay: made === undefined };
}
