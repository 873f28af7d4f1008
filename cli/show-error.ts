/** The error of a run, with the author's lines and what caused it. */
import type { Schemas } from "../client/client.ts";
import { printable } from "./terminal/printable.ts";
import type { Style } from "./terminal/style.ts";

interface Details {
  name?: string;
  message?: string;
  stack?: unknown;
  causes?: Details[];
  status?: number;
}

export function describeRunError({ code, message, details }: Schemas["RunError"], style: Style): string[] {
  const known = (typeof details === "object" && details !== null ? details : {}) as Details;
  return [
    `${style.red(code)}: ${printable(message)}`,
    ...stackLines(known).map((line) => style.dim(`    ${line}`)),
    ...(known.causes ?? []).flatMap((cause) => [
      `  caused by ${printable(`${cause.name ?? "Error"}: ${cause.message ?? ""}`)}`,
      ...stackLines(cause).map((line) => style.dim(`    ${line}`)),
    ]),
  ];
}

/** A stack is a text with lines, or a list of them. */
export function stackLines({ stack }: { stack?: unknown }): string[] {
  const lines = Array.isArray(stack) ? stack.map(String) : typeof stack === "string" ? stack.split("\n") : [];
  return lines
    .map((line) => printable(line).trim())
    .filter((line) => line.startsWith("at ") || /:\d+:\d+/.test(line));
}
