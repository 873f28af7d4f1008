/** Why a call of a function's URL is not taken now. */
import { BusyError } from "../http/busy-error.ts";

export function functionBusy(): BusyError {
  return new BusyError("function_busy", "The function has the maximum number of concurrent callers.");
}

/** The request is too long for a row, and whether a worker will ask for it as a stream is not known yet. */
export function workerUnreached(): BusyError {
  return new BusyError(
    "function_busy",
    "No worker that would accept so long a request is connected yet; try again.",
  );
}

export function apiStopping(): BusyError {
  return new BusyError("function_busy", "The API is stopping, and no worker has taken the call; try again.");
}
