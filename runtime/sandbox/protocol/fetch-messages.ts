/**
 * What executor and worker say to each other about a run's fetches. Both directions carry bodies in chunks against
 * credit: a side sends body bytes only as far as the other has granted them by `fetch-pull`, beginning with
 * `FETCH_WINDOW_BYTES`. `id` is the run's, `no` the fetch's within its run, counted up from 1.
 *
 * A fetch: `fetch` → request chunks → `fetch-head` → response chunks → `fetch-end`, or `fetch-failed` at any time.
 * Where the head says `isDecoded`, the executor says `fetch-read` once the guest begins to read the body.
 * `fetch-cancel` from the executor ends it silently. The run's end ends all of its fetches.
 *
 * Imported by both sides; it may import nothing else of the project.
 */

/** Body bytes that may be on their way, or unread, in one direction of one fetch. */
export const FETCH_WINDOW_BYTES = 262_144;
/** Of one chunk, before base64. */
export const FETCH_CHUNK_BYTES = 65_536;
export const MAX_FETCH_URL_CHARS = 16_384;
/** Names and values of all headers together, in one direction. */
export const MAX_FETCH_HEADER_BYTES = 65_536;
/** Fetches of one run under way at once; the next ones wait in the guest. */
export const MAX_FETCHES_AT_ONCE = 16;

export interface FetchRequestHead {
  method: string;
  /** Absolute http(s) URL, without fragment. */
  url: string;
  headers: [name: string, value: string][];
  redirect: "follow" | "manual" | "error";
  /** Whether chunks and a `fetch-body-end` follow. */
  hasBody: boolean;
}

export interface FetchResponseHead {
  status: number;
  statusText: string;
  headers: [name: string, value: string][];
  /** The URL that answered, without credentials and fragment. */
  url: string;
  redirected: boolean;
  /** The body may not come before `fetch-read` says that it is read. */
  isDecoded: boolean;
}

/** Executor → worker. */
export type FetchAsk =
  | { t: "fetch"; id: number; no: number; head: FetchRequestHead }
  | { t: "fetch-data"; id: number; no: number; base64: string }
  | { t: "fetch-body-end"; id: number; no: number }
  /** More response bytes are welcome. */
  | { t: "fetch-pull"; id: number; no: number; bytes: number }
  | { t: "fetch-read"; id: number; no: number }
  | { t: "fetch-cancel"; id: number; no: number };

/** Worker → executor. */
export type FetchReply =
  | { t: "fetch-head"; id: number; no: number; head: FetchResponseHead }
  | { t: "fetch-data"; id: number; no: number; base64: string }
  | { t: "fetch-end"; id: number; no: number }
  /** More request bytes are welcome. */
  | { t: "fetch-pull"; id: number; no: number; bytes: number }
  /** `message` is meant for the author: it names no inner address and no secret. */
  | { t: "fetch-failed"; id: number; no: number; code: string; message: string };
