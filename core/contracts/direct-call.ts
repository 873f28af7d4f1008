/**
 * Direct calls: what the API and a worker say to each other about calls that do not go through the queue, over one
 * connection in frames of JSON. `no` is the call's, counted up from 1 by the API.
 *
 * A call: `call` → `refused` (nothing has happened: it may go elsewhere), or `accepted` where the request has a body →
 * its chunks; `head` → chunks → `end` where the response streams → `done`, once the run is recorded, or `lost`, where
 * it is another's to say how it ended. Bodies go in chunks against credit, which begins at `DIRECT_WINDOW_BYTES` in each direction and is given back by `pull`.
 */
import type { RunError } from "../domain/attempt.ts";
import type { Json } from "../json.ts";
import type { HttpRequestHead, HttpResponseHead } from "./http-call.ts";

export const DIRECT_WINDOW_BYTES = 262_144;
/** A result of 1 MB, or an input of 2 MB, escaped. */
export const MAX_DIRECT_FRAME_BYTES = 16_000_000;
/** The `Upgrade` of the request that opens the connection; its bearer token is the worker's `call_token`. */
export const DIRECT_PROTOCOL = "bellhop-direct/2";

export interface DirectCall {
  runId: string;
  namespaceId: string;
  functionId: string;
  functionName: string;
  revisionId: string;
  /** Its function has a limit of runs at once: room is reserved first. */
  isLimited: boolean;
  /** It came without a key, at the URL of a public function: such calls hold only a share of the slots. */
  isPublic?: boolean;
  /** What the run is recorded with, and what the function gets unless it is called over HTTP. */
  input: Json;
  http?: HttpRequestHead;
  /** The caller's span (W3C): the run is its child. */
  traceparent?: string | undefined;
}

/** `share`: the worker has slots, but not for more calls of this function or namespace. */
export type RefusalReason = "busy" | "draining" | "no_room" | "share";

/** Why the API let go of a caller who was still there; what the run is recorded with. */
export type CutReason = "request_body_too_slow" | "response_not_taken";

export const CUT_MESSAGES: Record<CutReason, string> = {
  request_body_too_slow: "The request's body came too slowly; the call was broken off.",
  response_not_taken: "The caller did not take the response; the call was broken off.",
};

/** API → worker. */
export type DirectAsk =
  | { t: "call"; no: number; call: DirectCall }
  | { t: "data"; no: number; base64: string }
  | { t: "end"; no: number }
  | { t: "pull"; no: number; bytes: number }
  /** The caller is gone; the run goes on. One who was cut off: it ends as failed, for that reason. */
  | { t: "leave"; no: number; cut?: CutReason };

/** Worker → API. */
export type DirectSay =
  | { t: "accepted"; no: number }
  | { t: "refused"; no: number; reason: RefusalReason }
  | { t: "head"; no: number; head: HttpResponseHead }
  | { t: "data"; no: number; base64: string }
  | { t: "end"; no: number }
  | { t: "pull"; no: number; bytes: number }
  | { t: "done"; no: number; outcome: DirectOutcome }
  /** The run was given up meanwhile, or this worker could not record it: its row tells. */
  | { t: "lost"; no: number };

export type DirectOutcome =
  | { state: "succeeded"; result: Json }
  | { state: "failed"; error: RunError }
  | { state: "cancelled" };
