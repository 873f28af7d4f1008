/** What a function answers, as JSON. */
import { endRun, failRun, type GuestRun } from "./current-run.ts";
import { describe, readProperty } from "./describe.ts";
import { findKind } from "./kinds.ts";
import { isArray, keys, ObjectPrototype, slice, stringify, uncurry } from "./primordials.ts";
import { fittingChars } from "./text.ts";

/** Ends the run with the function's value as JSON. */
export function finishRun(run: GuestRun, value: unknown): void {
  const json = toResultJson(run, value);
  if (json !== undefined) endRun(run, "ok", json);
}

const CIRCULAR = "Converting circular structure to JSON";
const BIGINT = "Do not know how to serialize a BigInt";

/** What V8 says of values that JSON has no form for. */
function isOfJson(message: string): boolean {
  return slice(message, 0, CIRCULAR.length) === CIRCULAR || slice(message, 0, BIGINT.length) === BIGINT;
}

/** The function's value as JSON; where it is none, or too large, the run ends and there is none. */
export function toResultJson(run: GuestRun, value: unknown): string | undefined {
  if (run.ended) return undefined;
  const lost = findLost(value);
  if (lost !== undefined) {
    endRun(run, "result_not_json", `The result is not JSON: it is of the type ${lost}.`);
    return undefined;
  }
  let json: string | undefined;
  try {
    json = value === undefined ? "null" : stringify(value);
  } catch (thrown) {
    const { name, message } = describe(thrown);
    // Not every TypeError: a `toJSON` of the author's may have thrown it.
    if (name !== "TypeError" || !isOfJson(message)) failRun(run, thrown);
    else endRun(run, "result_not_json", `The result is not JSON: ${slice(message, 0, 1_000)}`);
    return undefined;
  }
  if (json === undefined) {
    endRun(run, "result_not_json", `The result is not JSON: it is a ${typeof value}.`);
    return undefined;
  }
  const { maxResultBytes } = run;
  if (json.length * 3 > maxResultBytes && fittingChars(json, maxResultBytes) < json.length) {
    refuseLargeResult(run);
    return undefined;
  }
  return json;
}

export function refuseLargeResult(run: GuestRun): void {
  endRun(run, "result_too_large", `The result takes more than ${run.maxResultBytes} bytes as JSON.`);
}

const tagOf = uncurry(ObjectPrototype.toString);
/** They have a form in JSON that says what they are. */
const TOLD = ["Number", "String", "Boolean", "Date"];
/** Their properties are the guest's. */
const STREAMS = ["ReadableStream", "WritableStream", "TransformStream"];

/**
 * What JSON would make an empty object of, or a list by numbers: bytes, headers, maps, generators; or what holds a
 * stream. Its name.
 */
function findLost(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || isArray(value)) return undefined;
  const tag = tagOf(value);
  const name = slice(tag, "[object ".length, tag.length - 1);
  const isLost = findKind(value) === undefined ? isEmptied(value, name) : !isOneOf(TOLD, name);
  return isLost && typeof readProperty(value, "toJSON") !== "function" ? name : undefined;
}

/** An author's own class that gives itself a name has properties. */
function isEmptied(value: object, name: string): boolean {
  if (name === "Object" || name === "Error" || name === "Arguments") return false;
  return isOneOf(STREAMS, name) || keys(value).length === 0;
}

function isOneOf(names: readonly string[], name: string): boolean {
  for (let i = 0; i < names.length; i++) if (names[i] === name) return true;
  return false;
}
