/** node:zlib: deflate and gzip, by pako. Brotli and zstd are not there. */
import { Buffer } from "node:buffer";
import { Transform } from "node:stream";
import { Deflate, Inflate } from "pako";

type Options = {
  level?: number;
  windowBits?: number;
  memLevel?: number;
  strategy?: number;
  dictionary?: Uint8Array;
  maxOutputLength?: number;
};
type Callback = (error: Error | null, result?: Buffer) => void;
type Engine = {
  push(chunk: Uint8Array, flush: number | boolean): boolean;
  onData: (chunk: Uint8Array) => void;
  err: number;
  msg: string;
};
type Make = (options: Options) => Engine;

const CODES: Record<string, string> = {
  "-3": "Z_DATA_ERROR",
  "-5": "Z_BUF_ERROR",
  "-2": "Z_STREAM_ERROR",
  "2": "Z_NEED_DICT",
};
const [Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH] = [0, 2, 4];

function failure(engine: Engine): Error {
  const text = engine.msg || (engine.err === -5 ? "unexpected end of file" : "incorrect data");
  return Object.assign(new Error(text), {
    errno: engine.err,
    code: CODES[String(engine.err)] ?? "Z_DATA_ERROR",
  });
}

function toBytes(input: unknown): Uint8Array {
  if (typeof input === "string") return Buffer.from(input);
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  throw Object.assign(
    new TypeError('The "buffer" argument must be a string, a Buffer, a view or an ArrayBuffer'),
    {
      code: "ERR_INVALID_ARG_TYPE",
    },
  );
}

class Unfinished extends Error {
  readonly code = "Z_BUF_ERROR";
  readonly errno = -5;
}

function convert(make: Make, input: unknown, options: Options = {}): Buffer {
  const engine = make(options);
  const parts: Uint8Array[] = [];
  let length = 0;
  engine.onData = (chunk) => {
    length += chunk.length;
    if (length > (options.maxOutputLength ?? Number.POSITIVE_INFINITY)) {
      throw Object.assign(
        new RangeError(`Cannot create a Buffer larger than ${options.maxOutputLength} bytes`),
        {
          code: "ERR_BUFFER_TOO_LARGE",
        },
      );
    }
    parts.push(chunk);
  };
  engine.push(toBytes(input), true);
  if (engine.err) throw failure(engine);
  if ("ended" in engine && !engine.ended) throw new Unfinished("unexpected end of file");
  return Buffer.concat(parts);
}

/** The three forms in which Node has each: at once, with a callback, as a stream. */
function forms(make: Make, Class: new (options?: Options) => Transform) {
  const sync = (input: unknown, options?: Options) => convert(make, input, options);
  const async = (input: unknown, options: Options | Callback, callback?: Callback) => {
    const done = (typeof options === "function" ? options : callback) as Callback;
    if (typeof done !== "function") {
      throw Object.assign(new TypeError('The "callback" argument must be of type function'), {
        code: "ERR_INVALID_ARG_TYPE",
      });
    }
    queueMicrotask(() => {
      let result: Buffer;
      try {
        result = convert(make, input, typeof options === "function" ? {} : options);
      } catch (thrown) {
        return done(thrown as Error);
      }
      done(null, result);
    });
  };
  return { sync, async, create: (options?: Options) => new Class(options) };
}

function streamOf(make: Make) {
  return class ZlibStream extends Transform {
    readonly #engine: Engine;

    constructor(options: Options = {}) {
      super(options as object);
      this.#engine = make(options);
      this.#engine.onData = (chunk) => this.push(Buffer.from(chunk));
    }
    override _transform(chunk: Uint8Array, _encoding: string, callback: (error?: Error | null) => void) {
      this.#push(chunk, Z_NO_FLUSH, callback);
    }
    override _flush(callback: (error?: Error | null) => void) {
      const isUnfinished = () => "ended" in this.#engine && !this.#engine.ended;
      this.#push(new Uint8Array(0), Z_FINISH, (error) =>
        callback(error ?? (isUnfinished() ? new Unfinished("unexpected end of file") : null)),
      );
    }
    flush(kind?: number | (() => void), callback?: () => void) {
      const done = typeof kind === "function" ? kind : callback;
      const flush = typeof kind === "number" ? kind : Z_SYNC_FLUSH;
      this.#push(new Uint8Array(0), flush, (error) => {
        if (error) this.destroy(error);
        else done?.();
      });
    }
    close(callback?: () => void) {
      if (callback) this.once("close", callback);
      this.destroy();
    }
    #push(chunk: Uint8Array, flush: number, callback: (error?: Error | null) => void) {
      this.#engine.push(chunk, flush);
      callback(this.#engine.err && this.#engine.err !== -5 ? failure(this.#engine) : null);
    }
  };
}

/** What is undefined is not given: it would take the place of a default. */
const given = (options: Options) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

const deflate =
  (extra: object): Make =>
  (options) =>
    new Deflate({ ...given(options), ...extra } as object) as unknown as Engine;
const inflate =
  (extra: object): Make =>
  (options) =>
    new Inflate({ ...given(options), ...extra } as object) as unknown as Engine;

const makers: Record<string, Make> = {
  Deflate: deflate({}),
  DeflateRaw: deflate({ raw: true }),
  Gzip: deflate({ gzip: true }),
  Inflate: inflate({ windowBits: 15 }),
  InflateRaw: inflate({ raw: true }),
  Gunzip: inflate({ windowBits: 15 + 16 }),
  // Either, by the head.
  Unzip: inflate({ windowBits: 15 + 32 }),
};

const exported: Record<string, unknown> = {};
for (const [name, make] of Object.entries(makers)) {
  const Class = streamOf(make);
  Object.defineProperty(Class, "name", { value: name });
  const lower = name[0]!.toLowerCase() + name.slice(1);
  const { sync, async, create } = forms(make, Class);
  exported[name] = Class;
  exported[lower] = async;
  exported[`${lower}Sync`] = sync;
  exported[`create${name}`] = create;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1;
  return rest;
});

function crc32(data: unknown, before = 0): number {
  let sum = ~before;
  for (const byte of toBytes(data)) sum = CRC_TABLE[(sum ^ byte) & 0xff]! ^ (sum >>> 8);
  return ~sum >>> 0;
}

export default { ...exported, crc32 };
