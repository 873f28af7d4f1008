/** Why a call of a function's URL is not taken now. */
import { BusyError } from "../http/busy-error.ts";

export function functionBusy(): BusyError {
  return new BusyError("function_busy", "The function has as many callers as it may have at once.");
}

/** The request is too long for a row, and whether a worker will ask for it as a stream is not known yet. */
export function workerUnreached(): BusyError {
  return new BusyError(
    "function_busy",
    "No worker is reached yet that would take so long a request; try again.",
  );
}

export function apiStopping(): BusyError {
  return new BusyError("function_busy", "The API stops, and no worker had taken the call; try again.");
}
