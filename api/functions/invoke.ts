/** Calling a function: its run is recorded and queued, and the caller waits for it, or gets its address. */

import type { Run } from "../../core/contracts/run.ts";
import { isTerminal } from "../../core/domain/run-state.ts";
import type { RunTarget } from "../../core/domain/run-target.ts";
import { BellhopError, notFound } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { newId } from "../../core/store/ids.ts";
import { enqueueInvocation } from "../../core/store/runs/enqueue.ts";
import { findRun } from "../../core/store/runs/read.ts";
import type { ApiParts } from "../environment.ts";

export const INVOCATION_TIMEOUT_MS = 30_000;
/** A caller waits this much longer than the function may take: for a worker to come. */
const QUEUE_GRACE_MS = 30_000;

export interface InvocationTarget {
  namespaceId: string;
  functionName: string;
  input: Json;
  /** A revision in place of the one the function's traffic gives. */
  target?: RunTarget | undefined;
}

export async function startInvocation(
  parts: ApiParts,
  target: InvocationTarget,
  runId: string,
  awaited: boolean,
): Promise<void> {
  const request = { ...target, runId, timeoutMs: INVOCATION_TIMEOUT_MS, awaited };
  const run = await enqueueInvocation(parts.store, request);
  if (!run) throw notFound("function", target.functionName);
  parts.ringer.ring([run]);
}

/** The finished run; undefined when it took too long or the caller went away. The run goes on by itself. */
export async function invokeAndWait(
  parts: ApiParts,
  target: InvocationTarget,
  caller: AbortSignal,
): Promise<{ runId: string; run: Run | undefined }> {
  const runId = newId();
  const deadlineMs = parts.clock.now().getTime() + INVOCATION_TIMEOUT_MS + QUEUE_GRACE_MS;
  parts.waiter.expect(runId);
  try {
    await startInvocation(parts, target, runId, true);
    while (!caller.aborted && parts.clock.now().getTime() < deadlineMs) {
      await parts.waiter.next(runId, caller);
      const run = await findRun(parts.store, target.namespaceId, runId);
      if (run && (isTerminal(run.state) || run.state === "dead")) return { runId, run };
    }
    return { runId, run: undefined };
  } finally {
    parts.waiter.forget(runId);
  }
}

/** Whose fault it was, as a status: the function's own errors 500, its limits 504 and 507, the platform's 503. */
const STATUS_BY_CODE: Record<string, number> = {
  function_timeout: 504,
  timeout: 504,
  function_cpu_exceeded: 504,
  function_memory_exceeded: 507,
  result_too_large: 507,
  input_too_large: 413,
  executor_killed: 503,
  executor_unavailable: 503,
  executor_fault: 503,
  function_unavailable: 503,
  sandbox_overloaded: 503,
  worker_lost: 503,
  internal_error: 503,
};

export function toInvocationError(run: Run | undefined): BellhopError {
  if (!run) {
    return new BellhopError(
      "run_not_finished",
      504,
      "The run has not ended yet; it goes on, and Bellhop-Run-Id names it.",
    );
  }
  if (run.state === "cancelled") return new BellhopError("run_cancelled", 409, "The run was cancelled.");
  const { code, message } = run.error ?? {
    code: "internal_error",
    message: `The run ended as ${run.state}.`,
  };
  return new BellhopError(code, STATUS_BY_CODE[code] ?? 500, message);
}
