/**
 * Inputs and bodies of direct calls as payloads of their frames: a text of some length is escaped nowhere on its way, and
 * an input is parsed by its function alone.
 */
import type { Json, JsonObject } from "../json.ts";
import { JsonSource } from "../json-source.ts";
import type { DirectCall, DirectOutcome } from "./direct-call.ts";

/** What is sent, without the text that goes as its payload. */
export interface WithPayload<T> {
  message: T;
  payload: string | undefined;
}

/** A shorter input stays in the message: it costs less there. */
const MIN_INPUT_CHARS = 1_024;

/** The call without its input, and that as JSON, where it is long. */
export function takeInputOfCall(call: DirectCall): WithPayload<DirectCall> {
  const text = JSON.stringify(call.input);
  if (text.length < MIN_INPUT_CHARS) return { message: call, payload: undefined };
  return { message: { ...call, input: null }, payload: text };
}

/** The call without its request's body, and that. */
export function takeBodyOfCall(call: DirectCall): WithPayload<DirectCall> {
  const payload = call.http?.body;
  if (payload === undefined) return { message: call, payload };
  const { body: _, ...http } = call.http!;
  return { message: { ...call, http }, payload };
}

/** What the payload is: a request's body, or an input. */
export function putPayloadIntoCall(call: DirectCall, payload: string | undefined): DirectCall {
  if (payload === undefined) return call;
  if (call.http) call.http.body = payload;
  else call.input = new JsonSource(payload);
  return call;
}

/** The outcome with nothing in the place of its result's `body`, where that is a text, and that. */
export function takeBodyOfOutcome(outcome: DirectOutcome): WithPayload<DirectOutcome> {
  const result = outcome.state === "succeeded" ? outcome.result : null;
  if (!isWithBody(result)) return { message: outcome, payload: undefined };
  return { message: { state: "succeeded", result: { ...result, body: "" } }, payload: result.body };
}

export function putBodyIntoOutcome(outcome: DirectOutcome, payload: string | undefined): DirectOutcome {
  if (payload !== undefined && outcome.state === "succeeded" && isWithBody(outcome.result))
    outcome.result.body = payload;
  return outcome;
}

const isWithBody = (result: Json): result is JsonObject & { body: string } =>
  typeof result === "object" &&
  result !== null &&
  !Array.isArray(result) &&
  typeof result["body"] === "string";
