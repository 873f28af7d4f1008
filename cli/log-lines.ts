/** Log lines as people read them. */
import type { Schemas } from "../client/client.ts";
import { causeLines, stackLines } from "./show-error.ts";
import type { Output } from "./terminal/output.ts";
import { printable, printableLine } from "./terminal/printable.ts";
import type { Style } from "./terminal/style.ts";

export type LogLine = Schemas["LogLine"];

const LEVEL_WIDTH = 5;

export function showLines(out: Output, lines: readonly LogLine[], print: (text: string) => void): void {
  for (const line of lines) for (const text of formatLine(line, out.noteStyle)) print(text);
}

/** The line, its fields behind it; below it the stacks of what failed. */
export function formatLine({ at, level, message, fields }: LogLine, style: Style): string[] {
  const { stack, causes, ...others } = fields;
  const paint = { debug: style.dim, info: style.cyan, warn: style.yellow, error: style.red }[level];
  const pairs = Object.entries(others).map(([name, value]) =>
    style.dim(`${printableLine(name)}=${formatField(value)}`),
  );
  const [first = "", ...more] = printable(message).split("\n");
  const head = `${style.dim(at.slice(11, 23))} ${paint(level.toUpperCase().padEnd(LEVEL_WIDTH))} ${first}`;
  return [
    [head, ...pairs].join(" "),
    ...more.map((line) => `    ${line}`),
    ...stackLines({ stack }).map((line) => style.dim(`    ${line}`)),
    ...causeLines(causes, style),
  ];
}

function formatField(value: unknown): string {
  return printableLine(typeof value === "string" && !/[\s="]/.test(value) ? value : JSON.stringify(value));
}
