/**
 * A request's body as it comes. Only while somebody waits for more does it have to keep to its rate: a sender is not
 * slow where its reader is.
 */
import type { CutReason } from "../../core/contracts/call-stream.ts";
import { RUN_ERRORS } from "../../core/domain/run-errors.ts";
import { BellhopError } from "../../core/errors.ts";
import type { Edge } from "../edge/edge.ts";
import { type LeastRate, type Rate, watchRate } from "../edge/least-rate.ts";

export interface BodySource {
  /** The next bytes; undefined: that was all. Rejects with BellhopError: it came too slowly, or broke off. */
  read(): Promise<Uint8Array | undefined>;
  /** From here on it may come as slowly as it likes: it is only thrown away. */
  ignoreRate(): void;
  cancel(): Promise<void>;
}

export const TOO_SLOW = "request_body_too_slow" satisfies CutReason;

export function bodyTooSlow({ onSlow }: Edge): BellhopError {
  onSlow();
  return new BellhopError(TOO_SLOW, 408, RUN_ERRORS[TOO_SLOW]);
}

/** Its sender is gone: hardly anybody hears this. */
export function bodyBrokeOff(): BellhopError {
  return new BellhopError("bad_request", 400, "The request's body broke off.");
}

type NextPart = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]>>;

export class ArrivingBody implements BodySource {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #rate: LeastRate;
  /** It came too slowly. */
  #fault: BellhopError | undefined;
  #onFault = (_fault: BellhopError) => {};
  readonly #kept: (Uint8Array | ReturnType<BodySource["read"]>)[] = [];
  /** Of several who ask at once all get the same. */
  #reading: Promise<Uint8Array | undefined> | undefined;

  constructor(body: ReadableStream<Uint8Array>, edge: Edge) {
    this.#reader = body.getReader();
    this.#rate = watchRate(edge.limits.body, edge.clock, () => {
      this.#fault = bodyTooSlow(edge);
      this.#onFault(this.#fault);
    });
  }

  read(): Promise<Uint8Array | undefined> {
    const kept = this.#kept.shift();
    if (kept) return Promise.resolve(kept);
    this.#reading ??= this.#readNext().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readNext(): Promise<Uint8Array | undefined> {
    this.#rate.resume();
    try {
      const { done, value } = await this.#readUnlessSlow();
      this.#rate.add(done ? 0 : value.byteLength);
      if (!done) return value;
      this.#rate.stop();
      return undefined;
    } catch (error) {
      this.#rate.stop();
      throw error;
    } finally {
      this.#rate.pause();
    }
  }

  /** No race with a promise that lasts as long as the body: that would keep every part of it. */
  #readUnlessSlow(): Promise<NextPart> {
    const { promise, resolve, reject } = Promise.withResolvers<NextPart>();
    this.#onFault = reject;
    if (this.#fault) reject(this.#fault);
    this.#reader.read().then(resolve, () => reject(bodyBrokeOff()));
    return promise.finally(() => {
      this.#onFault = () => {};
    });
  }

  /** Puts back what was read, to be read first; then what `reading` brings, whose reader has turned away. */
  unread(chunks: Uint8Array[], reading?: ReturnType<BodySource["read"]>): void {
    // Whoever reads it hears of a failure.
    reading?.catch(() => {});
    this.#kept.unshift(...chunks, ...(reading ? [reading] : []));
  }

  /** What else flows for this body's sake: a response that goes out meanwhile. */
  credit(bytes: number): void {
    this.#rate.add(bytes);
  }

  changeRate(rate: Rate): void {
    this.#rate.change(rate);
  }

  ignoreRate(): void {
    this.#rate.stop();
  }

  async cancel(): Promise<void> {
    this.#rate.stop();
    await this.#reader.cancel();
  }
}

/** A body that has arrived. */
export function arrivedBody(bytes: Uint8Array): BodySource {
  let rest: Uint8Array | undefined = bytes;
  return {
    async read() {
      const all = rest;
      rest = undefined;
      return all;
    },
    ignoreRate() {},
    async cancel() {
      rest = undefined;
    },
  };
}
