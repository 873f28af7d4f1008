/** What was thrown, read inside the run's own time and memory: its properties may run the author's code. */
import { GUEST_LIMITS } from "../limits.ts";
import type { Thrown, ThrownInFull } from "../thrown.ts";
import { hasOwn, indexOf, isArray, slice, stringify, toText } from "./primordials.ts";

type Properties = Record<string, unknown>;

const MAX_CODE_CHARS = 100;

export function describe(thrown: unknown, maxChars: number = GUEST_LIMITS.errorChars): Thrown {
  const seen = { __proto__: null, name: "Error", message: "", stack: "" } as Thrown;
  if ((typeof thrown !== "object" || thrown === null) && typeof thrown !== "function") {
    seen.message = clip(toText(thrown), maxChars);
    return seen;
  }
  const message = readText(thrown, "message", maxChars);
  seen.message = message ?? clip(plainJson(thrown), maxChars);
  seen.name = readText(thrown, "name", maxChars) ?? seen.name;
  seen.stack = clip(readStack(thrown, message), maxChars);
  const code = readCode(thrown);
  if (code !== undefined) seen.code = code;
  return seen;
}

/** With what it was caused by, as far as `GUEST_LIMITS.causes` goes. */
export function describeInFull(thrown: unknown): ThrownInFull {
  const seen: ThrownInFull = describe(thrown);
  const met: unknown[] = [thrown];
  collectCauses(thrown, met);
  if (met.length === 1) return seen;
  const causes: Thrown[] = [];
  for (let i = 1; i < met.length; i++) causes[i - 1] = describe(met[i], GUEST_LIMITS.causeChars);
  seen.causes = causes;
  return seen;
}

function collectCauses(thrown: unknown, met: unknown[]): void {
  collectCause(readProperty(thrown, "cause"), met);
  const errors = errorsOf(thrown);
  for (let i = 0; errors !== undefined && i < errors.length && met.length <= GUEST_LIMITS.causes; i++) {
    collectCause(readProperty(errors, toText(i)), met);
  }
}

function collectCause(cause: unknown, met: unknown[]): void {
  if (cause === undefined || met.length > GUEST_LIMITS.causes) return;
  for (let i = 0; i < met.length; i++) if (met[i] === cause) return;
  met[met.length] = cause;
  collectCauses(cause, met);
}

/** The errors that an AggregateError holds, or another error that tells of several. */
export function errorsOf(thrown: unknown): unknown[] | undefined {
  const errors = readProperty(thrown, "errors");
  return isArray(errors) ? errors : undefined;
}

/** Undefined where it cannot be read. */
export function readProperty(holder: unknown, key: string): unknown {
  try {
    return (holder as Properties | null | undefined)?.[key];
  } catch {
    return undefined;
  }
}

function readText(holder: unknown, key: string, maxChars: number): string | undefined {
  const value = readProperty(holder, key);
  return typeof value === "string" ? clip(value, maxChars) : undefined;
}

/** Without its head where that is longer than a message is told: what is cut is the end, where the frames stand. */
function readStack(thrown: object, message = ""): string {
  const stack = readProperty(thrown, "stack");
  if (typeof stack !== "string") return "";
  const told = readProperty(thrown, "message");
  if (typeof told !== "string" || told.length <= message.length) return stack;
  const at = indexOf(stack, told);
  return at === -1 ? stack : slice(stack, at + told.length);
}

/** Numbers count where they are the error's own: every DOMException inherits one that says nothing. */
function readCode(thrown: object): string | undefined {
  const code = readProperty(thrown, "code");
  if (typeof code === "string" && code !== "") return clip(code, MAX_CODE_CHARS);
  try {
    return typeof code === "number" && hasOwn(thrown, "code") ? toText(code) : undefined;
  } catch {
    return undefined;
  }
}

/** Of what has no message. */
function plainJson(value: object): string {
  try {
    if (typeof value === "function") return `a function or class was thrown: ${nameOf(value)}`;
    const json = stringify(value) ?? toText(value);
    const kind = json === "{}" ? nameOf(readProperty(value, "constructor")) : "Object";
    return kind === "Object" ? json : `an instance of ${kind} was thrown`;
  } catch {
    return "an object that cannot be read was thrown";
  }
}

function nameOf(value: unknown): string {
  const name = readProperty(value, "name");
  return typeof name === "string" && name !== "" ? name : "Object";
}

function clip(text: string, maxChars: number): string {
  return text.length > maxChars ? `${slice(text, 0, maxChars)}…` : text;
}
