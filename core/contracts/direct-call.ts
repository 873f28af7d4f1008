/**
 * Direct calls: what the API and a worker say to each other about calls that do not go through the queue, over one
 * connection in frames of JSON. `no` is the call's, counted up from 1 by the API.
 *
 * A call: `call` → `refused` (nothing has happened: it may go elsewhere), or `accepted` where the request has a body →
 * its chunks; `head` → chunks → `end` where the response streams → `done`, once the run is recorded, or `lost`, where
 * it is another's to say how it ended. Bodies go in chunks against credit, which begins at `DIRECT_WINDOW_BYTES` in each direction and is given back by `pull`.
 * A short body that is text goes whole, as the payload of its frame (core/frames.ts) where the other side takes that
 * (direct-payloads.ts): of `call` the request's, of `done` the response's. So does a long input of `call`.
 *
 * A call that waited in the queue goes the same way once a worker has claimed its run: the worker asks the API that holds
 * its caller (`meet`), which answers with the `call`, or says that nobody waits (`absent`).
 */
import type { RunError } from "../domain/run-errors.ts";
import type { Json } from "../json.ts";
import type { JsonOrSource } from "../json-source.ts";
import type { AnswerMessage, AnswerStream, CallerMessage, CutReason } from "./call-stream.ts";
import type { HttpRequestHead } from "./http-call.ts";

export const DIRECT_WINDOW_BYTES = 262_144;
/** A result of 1 MB, or an input of 2 MB, escaped. */
export const MAX_DIRECT_FRAME_BYTES = 16_000_000;
/** The `Upgrade` of the request that opens the connection; its bearer token is the worker's `call_token`. */
export const DIRECT_PROTOCOL = "bellhop-direct/2";
/** Of either side's head of that upgrade: it takes payloads. The release before does not. */
export const PAYLOADS_HEADER = "bellhop-payloads";
/** Its value where the worker takes inputs so, too; any other: bodies alone. */
export const INPUTS_AS_PAYLOADS = "2";
/** The same: whose callers the API holds, by its id; that the worker asks for callers. The release before knows neither. */
export const CALLERS_HEADER = "bellhop-callers";

export interface DirectCall {
  runId: string;
  namespaceId: string;
  functionId: string;
  functionName: string;
  revisionId: string;
  /** The tag that gave the revision. */
  tag?: string;
  /** Its function has a limit of runs at once: a permit is reserved first. */
  isLimited: boolean;
  /** It came without a key, at the URL of a public function: such calls hold only a share of the slots. */
  isPublic?: boolean;
  /** What the run is recorded with, and what the function gets unless it is called over HTTP. */
  input: JsonOrSource;
  http?: HttpRequestHead;
  /** The worker has claimed its run and asked for its caller. Without `http` the run's row holds the whole request. */
  isClaimed?: true;
  /** The caller's span (W3C): the run is its child. */
  traceparent?: string | undefined;
}

/** The function has no permit left. On the wire it is the word of the release before. */
export const NO_PERMIT = "no_room";

/** `share`: the worker has slots, but not for more calls of this function or namespace. */
export type RefusalReason = "busy" | "draining" | typeof NO_PERMIT | "share";

export const CUT_MESSAGES: Record<CutReason, string> = {
  request_body_too_slow: "The request's body came too slowly; the call was broken off.",
  response_not_taken: "The caller did not take the response; the call was broken off.",
};

/** What a worker says of a call; after `refused`, `done` and `lost` nothing more. */
export interface CallAnswer extends AnswerStream {
  /** Nothing has happened. */
  refused(reason: RefusalReason): void;
  /** The request's body may come. */
  accepted(): void;
  /** The run is recorded. */
  done(outcome: DirectOutcome): void;
  /** The run was given up meanwhile, or this worker could not record it: its row tells. */
  lost(): void;
}

/** Whose message it is. */
interface CallNo {
  no: number;
}

/** API → worker. */
export type DirectAsk =
  | ({ t: "call"; call: DirectCall } & CallNo)
  | CallerMessage<CallNo>
  | { t: "absent"; runId: string };

/** Worker → API. */
export type DirectSay =
  | { t: "meet"; runId: string }
  | ({ t: "accepted" } & CallNo)
  | ({ t: "refused"; reason: RefusalReason } & CallNo)
  | AnswerMessage<CallNo>
  | ({ t: "done"; outcome: DirectOutcome } & CallNo)
  | ({ t: "lost" } & CallNo);

export type DirectOutcome =
  | { state: "succeeded"; result: Json }
  | { state: "failed"; error: RunError }
  | { state: "cancelled" };
