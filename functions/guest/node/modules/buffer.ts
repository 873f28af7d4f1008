/** node:buffer: the package's Buffer, with the encodings that it lacks and the platform's own UTF-8, which is faster. */
import { Buffer as PackageBuffer } from "buffer/index.js";

type Encoding = string | undefined;
type Method = (this: Uint8Array, ...args: unknown[]) => unknown;

const Base = PackageBuffer as unknown as Record<string, unknown> & { prototype: Record<string, Method> };
const MAX_LENGTH = 0x7fffffff;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true });

function isUtf8Name(encoding: unknown): boolean {
  return encoding === undefined || encoding === null || encoding === "" || /^utf-?8$/i.test(String(encoding));
}

function isBase64Url(encoding: unknown): boolean {
  return typeof encoding === "string" && /^base64url$/i.test(encoding);
}

/** Decoding base64 takes the letters of both alphabets. */
function forReading(encoding: unknown): unknown {
  return isBase64Url(encoding) ? "base64" : encoding;
}

function asBuffer(bytes: Uint8Array): Uint8Array {
  return Object.setPrototypeOf(bytes, Base.prototype as object) as Uint8Array;
}

function replaceStatic(name: string, make: (before: Method) => Method): void {
  Base[name] = make(Base[name] as Method);
}

function replaceMethod(name: string, make: (before: Method) => Method): void {
  Base.prototype[name] = make(Base.prototype[name]!);
}

replaceStatic(
  "from",
  (before) =>
    function from(value, encoding, length) {
      if (typeof value !== "string") return before.call(Base as never, value, encoding, length);
      if (isUtf8Name(encoding)) return asBuffer(encoder.encode(value));
      return before.call(Base as never, value, forReading(encoding));
    },
);
replaceStatic(
  "isEncoding",
  (before) => (encoding) => isBase64Url(encoding) || before.call(Base as never, encoding),
);
replaceStatic(
  "byteLength",
  (before) => (value, encoding) =>
    isBase64Url(encoding)
      ? Math.floor((String(value).replace(/=+$/, "").length * 3) / 4)
      : before.call(Base as never, value, encoding),
);
Base["copyBytesFrom"] = (view: Uint8Array, offset = 0, length = view.length - offset) => {
  const part = view.subarray(offset, offset + length);
  return asBuffer(new Uint8Array(part.buffer, part.byteOffset, part.byteLength).slice());
};

const whole = (start: unknown, end: unknown, length: number) =>
  (start === undefined || Number(start) <= 0) && (end === undefined || Number(end) >= length);

replaceMethod(
  "toString",
  (before) =>
    function (encoding, start, end) {
      const from = Math.min(Math.max(Math.trunc(Number(start ?? 0)) || 0, 0), this.length);
      const to = Math.min(Math.max(Math.trunc(Number(end ?? this.length)) || 0, from), this.length);
      if (isUtf8Name(encoding)) {
        const isWhole = whole(start, end, this.length);
        return decoder.decode(
          isWhole ? this : new Uint8Array(this.buffer, this.byteOffset + from, to - from),
        );
      }
      if (!isBase64Url(encoding)) return before.call(this, encoding, start, end);
      const text = String(before.call(this, "base64", start, end));
      return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    },
);
Base.prototype["toLocaleString"] = Base.prototype["toString"]!;

/** Methods whose last argument, but not their first, may be an encoding. */
for (const name of ["write", "fill", "indexOf", "lastIndexOf", "includes"]) {
  replaceMethod(
    name,
    (before) =>
      function (...args) {
        const last = args.length - 1;
        if (last > 0) args[last] = forReading(args[last]);
        return before.apply(this, args);
      },
  );
}

/** Methods that Node has beside its documented ones, and that parsers of streams call. */
for (const encoding of ["ascii", "base64", "base64url", "hex", "latin1", "ucs2", "utf8"]) {
  const { toString: read, write } = Base.prototype as Record<"toString" | "write", Method>;
  Base.prototype[`${encoding}Slice`] = function (start, end) {
    return read.call(this, encoding, start, end);
  };
  Base.prototype[`${encoding}Write`] = function (text, offset = 0, length) {
    return write.call(this, text, offset, length ?? this.length - Number(offset), encoding);
  };
}

/** What the package throws without one; programs tell errors apart by it. */
function withCode(error: unknown): unknown {
  if (!(error instanceof Error) || "code" in error) return error;
  const isEncoding = error.message.startsWith("Unknown encoding");
  const code =
    error instanceof RangeError
      ? "ERR_OUT_OF_RANGE"
      : isEncoding
        ? "ERR_UNKNOWN_ENCODING"
        : error instanceof TypeError && "ERR_INVALID_ARG_TYPE";
  if (code)
    Object.defineProperty(error, "code", {
      value: code,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  return error;
}

function tellCode(before: Method): Method {
  return function (...args) {
    try {
      return before.apply(this, args);
    } catch (error) {
      throw withCode(error);
    }
  };
}

for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow", "from", "concat", "compare", "byteLength"]) {
  replaceStatic(name, tellCode);
}
for (const name of Object.getOwnPropertyNames(Base.prototype)) {
  if (
    /^(?:read|write|swap)|^(?:fill|copy|equals|compare|toString|indexOf|lastIndexOf|includes)$/.test(name)
  ) {
    replaceMethod(name, tellCode);
  }
}
Base.prototype["toLocaleString"] = Base.prototype["toString"]!;

function isUtf8(input: ArrayBufferView | ArrayBuffer): boolean {
  try {
    strictDecoder.decode(input as ArrayBuffer);
    return true;
  } catch {
    return false;
  }
}

function isAscii(input: ArrayBufferView | ArrayBuffer): boolean {
  const bytes = ArrayBuffer.isView(input)
    ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
    : new Uint8Array(input);
  return bytes.every((byte) => byte < 128);
}

function transcode(source: Uint8Array, from: Encoding, to: Encoding): unknown {
  const text = Base.prototype["toString"]!.call(source, from);
  return (Base["from"] as Method).call(Base as never, text, to);
}

export default {
  Buffer: PackageBuffer,
  SlowBuffer: PackageBuffer,
  Blob: globalThis.Blob,
  File: globalThis.File,
  atob: globalThis.atob,
  btoa: globalThis.btoa,
  INSPECT_MAX_BYTES: 50,
  kMaxLength: MAX_LENGTH,
  kStringMaxLength: 536_870_888,
  constants: { MAX_LENGTH, MAX_STRING_LENGTH: 536_870_888 },
  isUtf8,
  isAscii,
  transcode,
};
