/** FixedLengthStream, as other platforms have it: passes bytes on, and fails where they are more or fewer than was said. */
import { GuestTransformStream } from "./streams.ts";
import { defineInterface, requireArguments, viewBytes } from "./webidl.ts";

const lengths = new WeakMap<object, number>();

/** How many bytes will come out of a stream, where that was said. */
export const fixedLengthOf = (stream: object): number | undefined => lengths.get(stream);

class GuestFixedLengthStream {
  readonly #stream: TransformStream<Uint8Array, Uint8Array>;

  constructor(expectedLength: unknown) {
    requireArguments(arguments.length, 1, "FixedLengthStream");
    const expected = Number(expectedLength);
    if (!Number.isSafeInteger(expected) || expected < 0) {
      throw new TypeError("FixedLengthStream takes a number of bytes");
    }
    let passed = 0;
    this.#stream = new GuestTransformStream({
      transform(chunk: unknown, controller) {
        const bytes =
          chunk instanceof ArrayBuffer ? new Uint8Array(chunk) : viewBytes(chunk as Uint8Array<ArrayBuffer>);
        passed += bytes.byteLength;
        if (passed > expected)
          throw new TypeError(`More than the ${expected} bytes of this FixedLengthStream were written`);
        controller.enqueue(bytes);
      },
      flush() {
        if (passed < expected)
          throw new TypeError(`${passed} of the ${expected} bytes of this FixedLengthStream were written`);
      },
    });
    lengths.set(this.#stream.readable, expected);
  }
  get readable() {
    return this.#stream.readable;
  }
  get writable() {
    return this.#stream.writable;
  }
}

export function installFixedLengthStream(): void {
  defineInterface("FixedLengthStream", GuestFixedLengthStream);
}
