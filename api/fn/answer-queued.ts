/**
 * A call of a function's URL that no worker took: its request is recorded with its run, and its caller waits for the end.
 * Nobody else hears its response: where the caller leaves, the run is cancelled.
 */
import type { StoredRequestInput } from "../../core/domain/stored-request.ts";
import { BellhopError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { CallEnd } from "../calls/call-end.ts";
import type { Caller } from "../calls/caller.ts";
import { demandWaitingPlace, type FunctionCall, invokeQueued } from "../calls/invoke.ts";
import type { ApiParts } from "../environment.ts";
import { BusyError } from "../http/busy-error.ts";
import { cancelRun } from "../runs/cancel-run.ts";
import type { CallBody } from "./call-body.ts";

/** A request that waits in the queue is a row: its body is bounded. */
export const MAX_QUEUED_BODY_BYTES = 1_000_000;

export function functionBusy(): BusyError {
  return new BusyError("function_busy", "The function has as many callers as it may have at once.");
}

export function apiStopping(): BusyError {
  return new BusyError("function_busy", "The API stops, and no worker had taken the call; try again.");
}

export async function answerQueued(
  parts: ApiParts,
  call: FunctionCall,
  body: CallBody,
  caller: Caller,
): Promise<CallEnd> {
  demandWaitingPlace(parts);
  const { isPublic, namespaceId, id: functionId } = call.fn;
  const claimant = { namespaceId, functionId };
  if (isPublic && !parts.edge.queued.take(claimant, 1)) throw functionBusy();
  try {
    const queued = await takeRequest(call, body);
    const { runId, end } = await invokeQueued(parts, queued, caller, body.held.release);
    if (end === undefined && caller.hasLeft) await cancelRun(parts, namespaceId, runId);
    return end;
  } finally {
    if (isPublic) parts.edge.queued.release(claimant, 1);
  }
}

/** The call with its whole request as input, which stands nowhere else any more: it is let go of once it is a row. */
async function takeRequest(call: FunctionCall, body: CallBody): Promise<FunctionCall> {
  const { body: text = "", ...head } = body.sent;
  body.sent = head;
  const content = body.body ? await readWhole(body) : Buffer.from(text);
  body.held.reach(content.byteLength);
  const { method, url, headers } = head;
  const input: StoredRequestInput = { request: { method, url, headers, body: content.toString("base64") } };
  return { ...call, input: input as unknown as Json };
}

async function readWhole({ body, held }: CallBody): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (let chunk = await body!.read(); chunk; chunk = await body!.read()) {
      bytes += chunk.byteLength;
      if (bytes > MAX_QUEUED_BODY_BYTES) throw bodyTooLarge();
      held.reach(bytes);
      chunks.push(chunk);
    }
  } catch (error) {
    body!.ignoreRate();
    throw error;
  }
  return Buffer.concat(chunks);
}

function bodyTooLarge(): BellhopError {
  return new BellhopError(
    "body_too_large",
    413,
    `A request that waits in the queue holds at most ${MAX_QUEUED_BODY_BYTES} bytes.`,
  );
}
