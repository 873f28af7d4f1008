/** The error of a run, with the author's lines and what caused it. */
import type { Schemas } from "../client/client.ts";
import { printable, printableLine } from "./terminal/printable.ts";
import type { Style } from "./terminal/style.ts";

interface Details {
  stack?: unknown;
  causes?: unknown;
}

interface Cause {
  name?: unknown;
  message?: unknown;
  stack?: unknown;
}

export function describeRunError({ code, message, details }: Schemas["RunError"], style: Style): string[] {
  const known = (typeof details === "object" && details !== null ? details : {}) as Details;
  return [
    `${style.red(code)}: ${printable(message)}`,
    ...stackLines(known).map((line) => style.dim(`    ${line}`)),
    ...causeLines(known.causes, style),
  ];
}

/** Authors log fields of this name themselves: what is no list of objects is passed over. */
export function causeLines(causes: unknown, style: Style): string[] {
  const isObject = (cause: unknown): cause is Cause => typeof cause === "object" && cause !== null;
  return (Array.isArray(causes) ? causes : [])
    .filter(isObject)
    .flatMap((cause) => [
      `  caused by ${printableLine(`${cause.name ?? "Error"}: ${cause.message ?? ""}`)}`,
      ...stackLines(cause).map((line) => style.dim(`    ${line}`)),
    ]);
}

/** A stack is a text with lines, or a list of them. */
export function stackLines({ stack }: { stack?: unknown }): string[] {
  const lines = Array.isArray(stack) ? stack.map(String) : typeof stack === "string" ? stack.split("\n") : [];
  return lines
    .map((line) => printable(line).trim())
    .filter((line) => line.startsWith("at ") || /:\d+:\d+/.test(line));
}
