/** What is kept of a call's input once its run has ended: bounded, and without the function's secrets. */
import type { Json } from "../json.ts";
import type { RunTrigger } from "./run-trigger.ts";
import type { StoredRequestInput } from "./stored-request.ts";

/** Of JSON text. A longer input is not kept. */
export const MAX_KEPT_INPUT_BYTES = 65_536;

export interface KeptInput {
  value: Json;
  /** It was too long: nothing of it is kept, for half a text is neither JSON nor what was given. */
  isTooLong: boolean;
}

const TOO_LONG: KeptInput = { value: null, isTooLong: true };

/** @param redact takes the function's secrets out of a value */
export function keepInput(
  input: Json,
  trigger: RunTrigger,
  redact: <T extends Json>(value: T) => T,
): KeptInput {
  const shown = isRequest(trigger) ? withoutContent(input) : input;
  // Before the search as well: it costs more than a look at the length.
  if (!fits(shown)) return TOO_LONG;
  const value = redact(shown);
  return value === shown || fits(value) ? { value, isTooLong: false } : TOO_LONG;
}

export const isRequest = (trigger: RunTrigger): boolean => trigger === "http" || trigger === "hook";

/** A stored request's headers and body may hold secrets of who sent it. */
export function withoutContent(input: Json): Json {
  const request = (input as Partial<StoredRequestInput> | null)?.request;
  return request ? { request: { method: request.method, url: request.url } } : null;
}

const fits = (value: Json) => Buffer.byteLength(JSON.stringify(value)) <= MAX_KEPT_INPUT_BYTES;
