/** Why a call of a function's URL is not taken now. */
import { BusyError } from "../http/busy-error.ts";

export function functionBusy(): BusyError {
  return new BusyError("function_busy", "The function has as many callers as it may have at once.");
}

export function apiStopping(): BusyError {
  return new BusyError("function_busy", "The API stops, and no worker had taken the call; try again.");
}
