import { Readable } from "node:stream";
import { messageOf } from "../errors.ts";
import { EgressError } from "./egress-error.ts";

/** Whole, or chunks as they come; those can be sent only once. */
export type RequestBody = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * A stream that asks for the next chunk only when there is room for it, and returns the iterator at once when it is
 * destroyed, without waiting for a chunk that may never come.
 */
export function readableOf(chunks: AsyncIterable<Uint8Array>): Readable {
  const iterator = chunks[Symbol.asyncIterator]();
  const stream = new Readable({
    highWaterMark: 16_384,
    read() {
      iterator.next().then(
        ({ done, value }) => stream.push(done ? null : value),
        (thrown: unknown) => stream.destroy(toBodyError(thrown)),
      );
    },
    destroy(error, done) {
      Promise.resolve(iterator.return?.()).catch(() => {});
      done(error);
    },
  });
  stream.on("error", () => {});
  return stream;
}

function toBodyError(thrown: unknown): EgressError {
  if (thrown instanceof EgressError) return thrown;
  return new EgressError("aborted", `The request's body could not be read to its end: ${messageOf(thrown)}`);
}
