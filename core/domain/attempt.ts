import type { Json } from "../json.ts";

/** What an attempt's failure looks like to people: stable `code`, a `message` they understand. */
export interface RunError {
  code: string;
  message: string;
  /** More where there is more to say: the http status, a stack of the author's lines. */
  details?: Json;
}

/** How one attempt ended, as its runner saw it. Whether it is tried again is decided in retry.ts. */
export type AttemptOutcome =
  | { kind: "succeeded"; result: Json }
  | { kind: "failed"; error: RunError; retryable: boolean; retryAfterMs?: number; result?: Json }
  | { kind: "cancelled" };

export function succeeded(result: Json): AttemptOutcome {
  return { kind: "succeeded", result };
}

export function failed(
  code: string,
  message: string,
  options: { retryable: boolean; retryAfterMs?: number; details?: Json; result?: Json },
): AttemptOutcome {
  const { retryable, retryAfterMs, details, result } = options;
  const error: RunError = { code, message, ...(details === undefined ? {} : { details }) };
  return {
    kind: "failed",
    error,
    retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(result === undefined ? {} : { result }),
  };
}

/** The end of an attempt whose worker cannot say any more how it ended. */
export const WORKER_LOST: RunError = {
  code: "worker_lost",
  message: "The worker that ran this stopped answering before it had recorded an end.",
};
