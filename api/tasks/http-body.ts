import type { Json } from "../../core/json.ts";
import { findMemberText, JsonSource } from "../../core/json-source.ts";
import type { JsonBody } from "../bodies/body.ts";
import { refuseUnstorable, refuseUnstorableSource } from "../bodies/stored-text.ts";

/**
 * A task, or a change of one. Of an http task's `body` the text is kept, whatever text it holds; one that is a string is sent
 * as that, and is text like any other. 422 for what cannot be stored.
 */
export function readTaskBody(given: JsonBody, isHttp: boolean): Json {
  const value = isHttp ? keepBodyText(given) : given.value;
  refuseUnstorable(value, given.text);
  return value;
}

/** The same of a new task, whose type says what its `body` is. */
export function readNewTask(given: JsonBody): Json {
  return readTaskBody(given, (given.value as { type?: Json } | null)?.type === "http");
}

/** An http task as it is kept: its `body` as it was written. 422 for a number in it that cannot be stored. */
export function keepBodyText({ value, text }: JsonBody): Json {
  const { body } = (value ?? {}) as { body?: Json };
  if (body === undefined || typeof body === "string") return value;
  const source = new JsonSource(findMemberText(text, "body")!);
  refuseUnstorableSource(source, "body");
  return { ...(value as object), body: source as unknown as Json };
}
