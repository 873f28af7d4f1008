import type { Transform } from "node:stream";
import { decoderRevoked } from "./decoder-memory.ts";
import { type DecoderNeed, sumOf } from "./decoder-need.ts";
import { PacedDecoder } from "./paced-decoder.ts";

/**
 * The decoders of one body and the memory granted for them.
 *
 * unclaimed → held → closed, at the body's end, by the caller's signal, or because others wait for the memory. It is
 * given back when the last decoder is gone, whether anybody still reads or not.
 */
export class HeldDecoders {
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.#lose(this.#signal.reason);
  readonly #decoders: PacedDecoder[] = [];
  #release = () => {};
  #isClosed = false;
  /** Why there are none any more. */
  #lost: { reason: unknown } | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async claim(
    needs: DecoderNeed[],
    take: (bytes: number, onRevoked: () => void) => Promise<() => void>,
  ): Promise<void> {
    this.#release = await take(sumOf(needs), () => this.#lose(decoderRevoked()));
    this.#signal.addEventListener("abort", this.#onAbort);
    if (this.#signal.aborted) this.#onAbort();
  }

  /** Throws why there are none any more. */
  check(): void {
    if (this.#lost) throw this.#lost.reason;
  }

  open(create: () => Transform): PacedDecoder {
    this.check();
    const decoder = new PacedDecoder(create());
    this.#decoders.push(decoder);
    return decoder;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#signal.removeEventListener("abort", this.#onAbort);
    await Promise.all(this.#decoders.map((decoder) => decoder.close()));
    this.#release();
  }

  #lose(reason: unknown): void {
    this.#lost ??= { reason };
    void this.close();
  }
}
