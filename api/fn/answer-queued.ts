/**
 * A call of a function's URL that no worker took: its run is queued. Its caller is held here for the worker that claims
 * the run (answer-held.ts). Where workers stand that cannot ask for it, the whole request is recorded with the run, and its
 * caller waits for the end; nobody else hears its response: where the caller leaves, the run is cancelled.
 */
import type { Json } from "../../core/json.ts";
import { demandWaitingPlace, type FunctionCall, invokeQueued } from "../calls/invoke.ts";
import type { ApiParts } from "../environment.ts";
import { cancelRun } from "../runs/cancel-run.ts";
import { answerHeld } from "./answer-held.ts";
import type { CallBody } from "./call-body.ts";
import type { DirectAnswer, DirectAsking } from "./direct-answer.ts";
import { functionBusy, workerUnreached } from "./refusals.ts";
import { takeRequest } from "./take-request.ts";

export async function answerQueued(
  parts: ApiParts,
  call: FunctionCall,
  body: CallBody,
  { caller, breakOff }: Pick<DirectAsking, "caller" | "breakOff">,
): Promise<DirectAnswer> {
  demandWaitingPlace(parts);
  const { isPublic, namespaceId, id: functionId } = call.fn;
  const claimant = { namespaceId, functionId };
  if (isPublic && !parts.edge.queued.take(claimant, 1)) throw functionBusy();
  const leavePlace = () => {
    if (isPublic) parts.edge.queued.release(claimant, 1);
  };
  const mayHold = await parts.held.mayHold();
  if (mayHold) return await answerHeld(parts, call, body, { caller, breakOff, onOver: leavePlace });
  try {
    const taken = await takeRequest(body, mayHold === undefined ? workerUnreached : undefined);
    const input = taken as unknown as Json;
    const { runId, end } = await invokeQueued(parts, { ...call, input }, caller, body.held.release);
    if (end === undefined && caller.hasLeft) await cancelRun(parts, namespaceId, runId);
    return { outcome: end };
  } finally {
    leavePlace();
  }
}
