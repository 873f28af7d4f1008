/** CompressionStream and DecompressionStream: the compression standard over pako, inside the isolate. */
import {
  Z_BUF_ERROR,
  Z_DEFAULT_STRATEGY,
  Z_FINISH,
  Z_NO_FLUSH,
  Z_OK,
  Z_STREAM_END,
  ZStream,
  zlibDeflate,
  zlibDeflateEnd,
  zlibDeflateInit2,
  zlibInflate,
  zlibInflateEnd,
  zlibInflateInit2,
} from "pako";
import { GuestTransformStream } from "./streams.ts";
import { defineInterface, isBufferSource, requireArguments, toEnum, viewBytes } from "./webidl.ts";

const FORMATS = ["deflate", "deflate-raw", "gzip"] as const;
type Format = (typeof FORMATS)[number];

const WINDOW_BITS: Record<Format, number> = { deflate: 15, "deflate-raw": -15, gzip: 31 };
const OUTPUT_BYTES = 32_768;
const Z_DEFLATED = 8;
const LEVEL = 6;
const MEMORY_LEVEL = 8;

type Controller = TransformStreamDefaultController<Uint8Array>;

function toBytes(chunk: unknown): Uint8Array<ArrayBuffer> {
  if (!isBufferSource(chunk)) throw new TypeError("The chunk is not a buffer source");
  return viewBytes(chunk);
}

/** Gives the stream input and passes on what it writes, until it wants more. Answers zlib's last code. */
function drain(stream: ZStream, step: () => number, controller: Controller): number {
  for (;;) {
    const output = new Uint8Array(OUTPUT_BYTES);
    stream.output = output;
    stream.next_out = 0;
    stream.avail_out = OUTPUT_BYTES;
    const code = step();
    if (stream.next_out > 0) controller.enqueue(output.slice(0, stream.next_out));
    if (code !== Z_OK || stream.avail_out > 0) return code;
  }
}

function feed(stream: ZStream, bytes: Uint8Array): void {
  stream.input = bytes;
  stream.next_in = 0;
  stream.avail_in = bytes.byteLength;
}

class GuestCompressionStream {
  readonly #transform: TransformStream<unknown, Uint8Array>;

  constructor(format: unknown) {
    requireArguments(arguments.length, 1, "CompressionStream");
    const windowBits = WINDOW_BITS[toEnum(format, FORMATS, "The format")];
    const stream = new ZStream();
    zlibDeflateInit2(stream, LEVEL, Z_DEFLATED, windowBits, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    this.#transform = new GuestTransformStream({
      transform(chunk, controller) {
        feed(stream, toBytes(chunk));
        if (stream.avail_in > 0) drain(stream, () => zlibDeflate(stream, Z_NO_FLUSH), controller);
      },
      flush(controller) {
        feed(stream, new Uint8Array(0));
        drain(stream, () => zlibDeflate(stream, Z_FINISH), controller);
        zlibDeflateEnd(stream);
      },
    });
  }
  get readable() {
    return this.#transform.readable;
  }
  get writable() {
    return this.#transform.writable;
  }
}

class GuestDecompressionStream {
  readonly #transform: TransformStream<unknown, Uint8Array>;

  constructor(format: unknown) {
    requireArguments(arguments.length, 1, "DecompressionStream");
    const windowBits = WINDOW_BITS[toEnum(format, FORMATS, "The format")];
    const stream = new ZStream();
    zlibInflateInit2(stream, windowBits);
    let ended = false;
    this.#transform = new GuestTransformStream({
      transform(chunk, controller) {
        feed(stream, toBytes(chunk));
        if (stream.avail_in === 0) return;
        if (ended) throw new TypeError("There is data after the end of the compressed data");
        const code = drain(stream, () => zlibInflate(stream, Z_NO_FLUSH), controller);
        if (code === Z_STREAM_END) {
          ended = true;
          zlibInflateEnd(stream);
          if (stream.avail_in > 0) throw new TypeError("There is data after the end of the compressed data");
        } else if (code !== Z_OK && code !== Z_BUF_ERROR) {
          throw new TypeError(`The compressed data was not valid${stream.msg ? `: ${stream.msg}` : ""}`);
        }
      },
      flush() {
        if (!ended) throw new TypeError("The compressed data ends early");
      },
    });
  }
  get readable() {
    return this.#transform.readable;
  }
  get writable() {
    return this.#transform.writable;
  }
}

export function installCompression(): void {
  defineInterface("CompressionStream", GuestCompressionStream);
  defineInterface("DecompressionStream", GuestDecompressionStream);
}
