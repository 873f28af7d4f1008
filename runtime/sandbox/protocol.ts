/**
 * What worker and executor say to each other. Imported by both sides; it may import nothing else of the project.
 * The executor may have been taken over by what it runs: what it says is checked here, field by field.
 */
/** Worker → executor: a bundle of 5 MB or an input, escaped. */
export const MAX_PARENT_FRAME_BYTES = 16_000_000;
/** Executor → worker: a result of 1 MB, escaped twice over, has room. */
export const MAX_CHILD_FRAME_BYTES = 4_000_000;

export type ParentMessage =
  | { t: "load"; revisionId: string; code: string }
  | { t: "unload"; revisionId: string }
  | InvokeMessage
  | { t: "cancel"; id: number };

export interface InvokeMessage {
  t: "invoke";
  id: number;
  revisionId: string;
  /** JSON. */
  input: string;
  /** JSON of GuestFacts; goes to the guest as it is. */
  facts: string;
  memoryMb: number;
  wallMs: number;
}

/** What the guest's prelude makes its Context of; instants in milliseconds since 1970. */
export interface GuestFacts {
  runId: string;
  attempt: number;
  scheduledFor: number;
  deadlineAt: number;
  env: Record<string, string>;
}

/** How a run in an isolate ended; anything else an executor says counts as `executor_fault`. */
export const FAILURE_CODES = [
  "function_error",
  "function_timeout",
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
  /** JSON, where the run succeeded. */
  result?: string;
  code?: FailureCode;
  message?: string;
  name?: string;
  stack?: string;
  /** Log lines that were not sent. */
  droppedLines: number;
  /** Whether the run had its isolate from an earlier run. */
  reused: boolean;
  /** The executor is no longer to be trusted with new work. */
  recycle: boolean;
}

export type ChildMessage =
  | { t: "ready" }
  | LogMessage
  | ResultMessage
  /** The isolate of this run passed its memory limit; it may or may not still be stopping. */
  | { t: "over"; id: number };

const LEVELS = ["debug", "info", "warn", "error"] as const;

/** The message, or undefined where it is none. */
export function readChildMessage(text: string): ChildMessage | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  switch (value["t"]) {
    case "ready":
      return { t: "ready" };
    case "over":
      return Number.isSafeInteger(value["id"]) ? { t: "over", id: value["id"] as number } : undefined;
    case "log":
      return isLogMessage(value) ? value : undefined;
    case "result":
      return isResultMessage(value) ? value : undefined;
    default:
      return undefined;
  }
}

function isLogMessage(value: Record<string, unknown>): value is Record<string, unknown> & LogMessage {
  return (
    Number.isSafeInteger(value["id"]) &&
    (LEVELS as readonly unknown[]).includes(value["level"]) &&
    typeof value["message"] === "string" &&
    typeof value["fields"] === "string" &&
    typeof value["at"] === "number" &&
    Math.abs(value["at"]) <= 8.64e15
  );
}

function isResultMessage(value: Record<string, unknown>): value is Record<string, unknown> & ResultMessage {
  const isText = (text: unknown) => text === undefined || typeof text === "string";
  return (
    Number.isSafeInteger(value["id"]) &&
    (value["result"] === undefined
      ? (FAILURE_CODES as readonly unknown[]).includes(value["code"])
      : typeof value["result"] === "string") &&
    isText(value["message"]) &&
    isText(value["name"]) &&
    isText(value["stack"]) &&
    Number.isSafeInteger(value["droppedLines"]) &&
    typeof value["reused"] === "boolean" &&
    typeof value["recycle"] === "boolean"
  );
}
