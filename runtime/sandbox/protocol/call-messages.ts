/**
 * What executor and worker say to each other about a run that answers an HTTP call; its request's head came with the
 * run. Both directions carry bodies in chunks against credit: a side sends body bytes only as far as the other has
 * granted them by `call-pull`, beginning with `CALL_WINDOW_BYTES`. `id` is the run's.
 *
 * The response: nothing (it comes whole, with the result), or `call-head` → chunks → `call-end`; the run's result
 * follows when the run is over.
 *
 * Imported by both sides; it may import nothing of the project but types.
 */
import type { AnswerMessage, CallerMessage } from "../../../core/contracts/call-stream.ts";

/** Body bytes that may be on their way, or unread, in one direction. */
export const CALL_WINDOW_BYTES = 262_144;
/** Of one chunk, before base64. */
export const CALL_CHUNK_BYTES = 65_536;
/** Names and values of all headers of a response together. */
export const MAX_CALL_HEADER_BYTES = 65_536;
/** JSON of a response that comes whole. */
export const MAX_CALL_RESULT_BYTES = 1_500_000;

/** Whose message it is. */
interface RunId {
  id: number;
}

/** Executor → worker. `head` is what the author's side wrote, unread. */
export type CallSay =
  | Exclude<AnswerMessage<RunId, "call-">, { t: "call-head" }>
  | ({ t: "call-head"; head: unknown } & RunId);

/** Worker → executor. */
export type CallTell = CallerMessage<RunId, "call-">;
