/** What is kept of a call's input once its run has ended: bounded, and without the function's secrets. */
import type { Json } from "../json.ts";
import { type JsonOrSource, JsonSource, toValue, writeJson } from "../json-source.ts";
import type { RunTrigger } from "./run-trigger.ts";
import type { StoredRequestInput } from "./stored-request.ts";

/** Of JSON text. A longer input is not kept. */
export const MAX_KEPT_INPUT_BYTES = 65_536;

/** Of JSON text: what a replay can be given again of a call that did not succeed. */
export const MAX_ORIGINAL_INPUT_BYTES = 262_144;

/**
 * What is shown of the input: as it was given, without secrets that were in it, or nothing, because it was too long: half
 * a text is neither JSON nor what was given.
 */
export type InputFate = "kept" | "redacted" | "too_long";

export interface KeptInput {
  value: JsonOrSource;
  fate: InputFate;
}

const TOO_LONG: KeptInput = { value: null, fate: "too_long" };

/** @param redact takes the function's secrets out of a value; undefined: there are none */
export function keepInput(
  given: JsonOrSource,
  trigger: RunTrigger,
  redact: (<T extends Json>(value: T) => T) | undefined,
): KeptInput {
  if (given instanceof JsonSource && !isRequest(trigger)) {
    if (!fits(given.text, MAX_KEPT_INPUT_BYTES)) return TOO_LONG;
    if (redact === undefined) return { value: given, fate: "kept" };
  }
  const input = toValue(given);
  const shown = isRequest(trigger) ? withoutContent(input) : input;
  // Before the search as well: it costs more than a look at the length.
  const text = JSON.stringify(shown);
  if (!fits(text, MAX_KEPT_INPUT_BYTES)) return TOO_LONG;
  const value = redact ? redact(shown) : shown;
  if (value === shown) return { value, fate: "kept" };
  const redacted = JSON.stringify(value);
  if (redacted === text) return { value, fate: "kept" };
  return fits(redacted, MAX_KEPT_INPUT_BYTES) ? { value, fate: "redacted" } : TOO_LONG;
}

export const isRequest = (trigger: RunTrigger): boolean => trigger === "http" || trigger === "hook";

/** A stored request's headers and body may hold secrets of who sent it. */
export function withoutContent(input: Json): Json {
  const request = (input as Partial<StoredRequestInput> | null)?.request;
  return request ? { request: { method: request.method, url: request.url } } : null;
}

/**
 * What is kept of a call that did not succeed, for a replay, where its row shows something else; undefined: nothing. What
 * visitors of a function's URL send, cookies among it, is nobody's to keep.
 */
export function keepOriginal(
  input: JsonOrSource,
  trigger: RunTrigger,
  shown: InputFate | undefined,
): JsonOrSource | undefined {
  if (trigger === "http" || shown === undefined || shown === "kept") return undefined;
  return fits(writeJson(input), MAX_ORIGINAL_INPUT_BYTES) ? input : undefined;
}

const fits = (text: string, maxBytes: number) => Buffer.byteLength(text) <= maxBytes;
