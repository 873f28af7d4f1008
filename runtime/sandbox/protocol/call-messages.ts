/**
 * What executor and worker say to each other about a run that answers an HTTP call; its request's head came with the
 * run. Both directions carry bodies in chunks against credit: a side sends body bytes only as far as the other has
 * granted them by `call-pull`, beginning with `CALL_WINDOW_BYTES`. `id` is the run's.
 *
 * The response: nothing (it comes whole, with the result), or `call-head` → chunks → `call-end`; the run's result
 * follows when the run is over.
 *
 * Imported by both sides; it may import nothing else of the project.
 */

/** Body bytes that may be on their way, or unread, in one direction. */
export const CALL_WINDOW_BYTES = 262_144;
/** Of one chunk, before base64. */
export const CALL_CHUNK_BYTES = 65_536;
/** Names and values of all headers of a response together. */
export const MAX_CALL_HEADER_BYTES = 65_536;
/** JSON of a response that comes whole. */
export const MAX_CALL_RESULT_BYTES = 1_500_000;

/** Executor → worker. `head` is what the author's side wrote, unread. */
export type CallSay =
  | { t: "call-head"; id: number; head: unknown }
  | { t: "call-data"; id: number; base64: string }
  | { t: "call-end"; id: number }
  /** More request bytes are welcome. */
  | { t: "call-pull"; id: number; bytes: number };

/** Worker → executor. */
export type CallTell =
  | { t: "call-data"; id: number; base64: string }
  | { t: "call-end"; id: number }
  /** More response bytes are welcome. */
  | { t: "call-pull"; id: number; bytes: number }
  /** The caller is gone. */
  | { t: "call-leave"; id: number };
