/** A screen of its own that is drawn anew, and gives the terminal back as it was, however the program ends. */
import { listenForKeys } from "./keys.ts";

const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_REST_OF_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

export class Screen {
  readonly #stdin: NodeJS.ReadStream;
  readonly #stdout: NodeJS.WriteStream;
  #keys = { close() {} };
  readonly #leave = () => void this.#stdout.write(LEAVE);

  constructor(stdin: NodeJS.ReadStream, stdout: NodeJS.WriteStream) {
    this.#stdin = stdin;
    this.#stdout = stdout;
    stdout.write(ENTER);
    process.on("exit", this.#leave);
  }

  get size(): { width: number; height: number } {
    return { width: this.#stdout.columns || 80, height: this.#stdout.rows || 24 };
  }

  /** What is the same does not flicker: each line is written over. */
  draw(lines: readonly string[]): void {
    const shown = lines.slice(0, this.size.height);
    this.#stdout.write(HOME + shown.map((line) => line + CLEAR_REST_OF_LINE).join("\n") + CLEAR_BELOW);
  }

  /** @param onKey of each key; Ctrl-C is the signal that it is elsewhere */
  listen(onKey: (key: string) => void, onResize: () => void): void {
    this.#keys = listenForKeys(this.#stdin, onKey);
    this.#stdout.on("resize", onResize);
  }

  close(): void {
    process.off("exit", this.#leave);
    this.#leave();
    this.#keys.close();
  }
}
