/** Bodies of direct calls as payloads of their frames: a text of some length is escaped nowhere on its way. */
import type { Json, JsonObject } from "../json.ts";
import type { DirectCall, DirectOutcome } from "./direct-call.ts";

/** What is sent, without the text that goes as its payload. */
export interface WithPayload<T> {
  message: T;
  payload: string | undefined;
}

/** The call without its request's body, and that. */
export function takeBodyOfCall(call: DirectCall): WithPayload<DirectCall> {
  const payload = call.http?.body;
  if (payload === undefined) return { message: call, payload };
  const { body: _, ...http } = call.http!;
  return { message: { ...call, http }, payload };
}

export function putBodyIntoCall(call: DirectCall, payload: string | undefined): DirectCall {
  if (payload !== undefined && call.http) call.http.body = payload;
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
