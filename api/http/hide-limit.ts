/** How much a namespace may have is for its own people, not for who calls without a key. */
import { BellhopError } from "../../core/errors.ts";

/** A 429 without its numbers; any other error as it is. */
export function hideLimit(error: unknown, what: "function" | "hook"): unknown {
  if (!(error instanceof BellhopError) || error.status !== 429) return error;
  const { code, status, retryAfterSeconds } = error;
  return new BellhopError(code, status, `The ${what} accepts no more calls for now.`, [], retryAfterSeconds);
}
