import type { Json } from "../json.ts";
import { type RunError, type RunErrorCode, runError } from "./run-errors.ts";

/** What a runner made of one attempt. */
export type AttemptOutcome =
  | AttemptEnd
  /** Whoever was sent the request goes on with it, and ends the attempt: see completion.ts. */
  | { kind: "deferred" };

/** How one attempt ended. Whether it is tried again is decided in retry.ts. */
export type AttemptEnd =
  | { kind: "succeeded"; result: Json }
  | FailedAttempt
  | { kind: "cancelled" }
  /** Its run's time to live was over: it did not begin. */
  | { kind: "expired"; error: RunError };

interface FailedAttempt {
  kind: "failed";
  error: RunError;
  retryable: boolean;
  /** What the next attempt waits in any case. */
  retryAfterMs?: number;
  /** What it waits, whatever the policy says. */
  waitMs?: number;
  result?: Json;
}

export function succeeded(result: Json): AttemptEnd {
  return { kind: "succeeded", result };
}

export function failed(
  code: RunErrorCode,
  message: string,
  options: Omit<FailedAttempt, "kind" | "error"> & { details?: Json },
): AttemptEnd {
  const { details, ...more } = options;
  return {
    kind: "failed",
    error: runError(code, message, details),
    ...more,
  };
}
