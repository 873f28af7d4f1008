/**
 * What worker and executor say to each other. Imported by both sides; it may import nothing of the project but the
 * messages of fetches, of HTTP calls and of the key-value store.
 */
import type { AttemptWord, Thrown } from "../../../functions/guest/thrown.ts";
import type { CallSay, CallTell } from "./call-messages.ts";
import type { FetchAsk, FetchReply } from "./fetch-messages.ts";
import type { KvAsk, KvReply } from "./kv-messages.ts";

/** Worker → executor: a bundle of 5 MB or an input, escaped. */
export const MAX_PARENT_FRAME_BYTES = 16_000_000;
/** Executor → worker: a result of 1 MB, escaped twice over, has room. */
export const MAX_CHILD_FRAME_BYTES = 4_000_000;

/** A line on an executor's stderr, before anything else of it. */
export const CODE_REFUSED = "V8 refused the executor's compiled code";

/** Runs in one `invoke`. */
export const MAX_BATCH_RUNS = 64;

export type ParentMessage =
  | { t: "load"; revisionId: string; code: string }
  | { t: "unload"; revisionId: string }
  | InvokeMessage
  | { t: "cancel"; id: number }
  /** What its warm isolates may hold from now on. */
  | { t: "warm-limit"; bytes: number }
  | CallTell
  | KvReply
  | FetchReply;

/**
 * Runs of one revision for one isolate, one after another; those it does not come to are given back. The payload goes to the
 * guest as it is: JSON of GuestStart[], one for each run, and behind it the short bodies of the requests they answer.
 */
export interface InvokeMessage {
  t: "invoke";
  revisionId: string;
  memoryMb: number;
  /** False: an isolate of its own, which ends with the run. */
  reuse: boolean;
  runs: InvokedRun[];
  /** So much of the payload is that JSON. */
  startsChars: number;
}

export interface InvokedRun {
  id: number;
  wallMs: number;
  cpuMs: number;
}

/** How a run in an isolate ended; anything else an executor says counts as `executor_fault`. */
export const FAILURE_CODES = [
  "function_error",
  "function_timeout",
  "function_cpu_exceeded",
  "function_memory_exceeded",
  "result_too_large",
  "result_not_json",
  "unsupported_shape",
  "cancelled",
  "executor_fault",
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

export interface LogMessage {
  t: "log";
  id: number;
  level: "debug" | "info" | "warn" | "error";
  message: string;
  /** JSON of an object, or empty. */
  fields: string;
  /** Milliseconds since 1970. */
  at: number;
}

export interface ResultMessage {
  t: "result";
  id: number;
  /** JSON, where the run succeeded: the payload. */
  result?: string;
  code?: FailureCode;
  message?: string;
  name?: string;
  stack?: string;
  /** The code of what was thrown. */
  reason?: string;
  /** What that was caused by. */
  causes?: Thrown[];
  /** What it says of the next attempt. */
  again?: AttemptWord["again"];
  afterMs?: number;
  /** Log lines that were not sent. */
  droppedLines: number;
  /** Whether the run had its isolate from an earlier run. */
  reused: boolean;
  /** Of one that had not: how long its isolate took to be booted and loaded. */
  loadMs?: number;
  /** The executor is no longer to be trusted with new work. */
  recycle: boolean;
  /** How long the batch has been on a thread, so far. */
  ranMs?: number;
  /** What the isolate holds after it; told once a second at most. */
  heldBytes?: number;
  /** Whether runs of its function are to go alone: it waited for something, say, or left an isolate that no other may have. */
  waited?: boolean;
}

/** What stands warm in an executor, at work or idle. */
export interface WarmMessage {
  t: "warm";
  isolates: number;
  bytes: number;
  /** Since it began: isolates that had to make room, and those that nobody used. */
  evicted: { memory: number; idle: number };
}

export type ChildMessage =
  | { t: "ready" }
  | WarmMessage
  | LogMessage
  | ResultMessage
  /** The isolate of this run passed its memory limit or CPU time; it may or may not still be stopping. */
  | { t: "over"; id: number; what: "memory" | "cpu" }
  /** Runs of a batch that did not begin: one before them waits, or ended their isolate. */
  | { t: "unstarted"; ids: number[] }
  | CallSay
  | KvAsk
  | FetchAsk;
