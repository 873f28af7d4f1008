import type { Json } from "../json.ts";
import { type RunError, type RunErrorCode, runError } from "./run-errors.ts";

/** How one attempt ended, as its runner saw it. Whether it is tried again is decided in retry.ts. */
export type AttemptOutcome =
  | { kind: "succeeded"; result: Json }
  | { kind: "failed"; error: RunError; retryable: boolean; retryAfterMs?: number; result?: Json }
  | { kind: "cancelled" };

export function succeeded(result: Json): AttemptOutcome {
  return { kind: "succeeded", result };
}

export function failed(
  code: RunErrorCode,
  message: string,
  options: { retryable: boolean; retryAfterMs?: number; details?: Json; result?: Json },
): AttemptOutcome {
  const { retryable, retryAfterMs, details, result } = options;
  return {
    kind: "failed",
    error: runError(code, message, details),
    retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(result === undefined ? {} : { result }),
  };
}
