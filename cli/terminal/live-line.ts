/** One line that is written over while something goes on; nothing where nobody looks. */
import { cut } from "./table.ts";

const CLEAR_LINE = "\r\u001b[K";
const BAR_WIDTH = 24;

export class LiveLine {
  readonly #stream: NodeJS.WriteStream;
  readonly #isShown: boolean;
  #isDirty = false;

  constructor(stream: NodeJS.WriteStream, isQuiet: boolean) {
    this.#stream = stream;
    this.#isShown = stream.isTTY === true && !isQuiet;
  }

  show(text: string): void {
    if (!this.#isShown) return;
    this.#stream.write(CLEAR_LINE + cut(text, (this.#stream.columns || 80) - 1));
    this.#isDirty = true;
  }

  clear(): void {
    if (this.#isDirty) this.#stream.write(CLEAR_LINE);
    this.#isDirty = false;
  }
}

export function drawBar(done: number, all: number, width = BAR_WIDTH): string {
  const share = all <= 0 ? 1 : Math.min(1, done / all);
  const full = Math.round(share * width);
  return `${"█".repeat(full)}${"░".repeat(width - full)}`;
}
