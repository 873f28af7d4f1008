/** What a command prints: its answer to stdout, as text or as JSON, and whatever is said besides to stderr. */
import type { Writable } from "node:stream";
import { printable, printableJson, printableLine } from "./printable.ts";
import { createStyle, hasColours, type Style } from "./style.ts";
import { type Column, renderTable } from "./table.ts";

export interface OutputOptions {
  stdout: Writable & { isTTY?: boolean; columns?: number };
  stderr: Writable & { isTTY?: boolean };
  env: NodeJS.ProcessEnv;
  json: boolean;
}

type Fact = readonly [name: string, value: string | null | undefined, paint?: (text: string) => string];

export class Output {
  readonly json: boolean;
  /** For stdout, and for stderr. */
  readonly style: Style;
  readonly noteStyle: Style;
  readonly #options: OutputOptions;

  constructor(options: OutputOptions) {
    this.#options = options;
    this.json = options.json;
    this.style = createStyle(!options.json && hasColours(options.stdout, options.env));
    this.noteStyle = createStyle(hasColours(options.stderr, options.env));
  }

  /** Characters of a line; undefined where nobody looks, so that nothing is cut off in a file or a pipe. */
  get width(): number | undefined {
    return this.#options.stdout.isTTY ? (this.#options.stdout.columns ?? 80) : undefined;
  }

  get isTerminal(): boolean {
    return this.#options.stdout.isTTY === true;
  }

  line(text = ""): void {
    this.#options.stdout.write(`${text}\n`);
  }

  /** Said besides the answer. */
  note(text: string): void {
    this.#options.stderr.write(`${text}\n`);
  }

  /** The answer: one JSON document with --json, else what `render` makes of it. */
  answer<Value>(value: Value, render: (value: Value) => void): void {
    if (this.json) this.line(printableJson(value, 2));
    else render(value);
  }

  /** One of many answers: a line of JSON each, so that a script reads them as they come. */
  item<Value>(value: Value, render: (value: Value) => void): void {
    if (this.json) this.line(printableJson(value));
    else render(value);
  }

  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], empty: string): void {
    if (rows.length === 0) this.line(this.style.dim(empty));
    else for (const line of renderTable(rows, columns, this.style, this.width)) this.line(line);
  }

  /** A name and a value on each line. */
  facts(pairs: readonly Fact[]): void {
    const shown = pairs.filter((pair) => pair[1] != null && pair[1] !== "");
    const width = Math.max(0, ...shown.map(([name]) => name.length));
    for (const [name, value, paint = String] of shown)
      this.line(`${this.style.dim(name.padEnd(width))}  ${paint(printableLine(String(value)))}`);
  }

  /** A value as people read it: text as it is, everything else as JSON. */
  value(value: unknown): void {
    this.line(typeof value === "string" && !this.json ? printable(value) : printableJson(value, 2));
  }
}
