import type { Transform } from "node:stream";

/** Reads of one byte and writes of one chunk: the decoder is never more than one piece of its output ahead. */
export const PACED = { readableHighWaterMark: 1, writableHighWaterMark: 1 };

/**
 * A decoder of zlib's at the pace of its reader. It works on another thread, where it cannot be stopped: closing waits
 * until it has done what it does, since its memory is only then gone.
 */
export class PacedDecoder {
  readonly #stream: Transform;
  /** Writes of which it may still be at work. */
  #writes = 0;
  #wake = () => {};

  /** @param stream made with `PACED` */
  constructor(stream: Transform) {
    this.#stream = stream;
    const changed = () => this.#wake();
    for (const event of ["readable", "end", "error", "close"]) stream.on(event, changed);
  }

  /** Its data is at its end, whatever may follow. */
  get isOver(): boolean {
    return this.#stream.readableEnded || this.#stream.destroyed;
  }

  /** What comes of the next chunk of input; null is its end. Throws zlib's error. Ends early where it is closed. */
  async *decode(chunk: Buffer | null): AsyncGenerator<Buffer> {
    if (this.isOver) return;
    this.#write(chunk);
    for (let output = await this.#read(); output; output = await this.#read()) yield output;
  }

  #write(chunk: Buffer | null): void {
    this.#writes++;
    const done = () => {
      this.#writes--;
      this.#wake();
    };
    if (chunk) this.#stream.write(chunk, done);
    else this.#stream.end(done);
  }

  /** Undefined where there is no more without further input. */
  async #read(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#stream.errored) throw this.#stream.errored;
      if (this.isOver) return undefined;
      const chunk: Buffer | null = this.#stream.read();
      if (chunk) return chunk;
      if (this.#writes > 0) await this.#change();
      // The end, if this was it, is told in the next tick.
      else return new Promise((resolve) => process.nextTick(resolve));
    }
  }

  /** Resolves when its memory is given back. */
  async close(): Promise<void> {
    while (this.#isAtWork) await this.#change();
    this.#stream.destroy();
  }

  get #isAtWork(): boolean {
    return this.#writes > 0 && this.#stream.readableLength === 0 && !this.isOver && !this.#stream.errored;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#wake;
      this.#wake = () => {
        before();
        this.#wake = () => {};
        resolve();
      };
    });
  }
}
