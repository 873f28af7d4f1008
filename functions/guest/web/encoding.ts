/** TextEncoder, TextDecoder and their streams: the encoding standard over @exodus/bytes. */
import {
  TextDecoder as Decoder,
  TextEncoder as Encoder,
  labelToName,
  legacyHookDecode,
} from "@exodus/bytes/encoding.js";
import { GuestTransformStream } from "./streams.ts";
import {
  defineInterface,
  isBufferSource,
  isObject,
  requireArguments,
  toDictionary,
  toDomString,
  viewBytes,
  viewName,
} from "./webidl.ts";

const encoder = new Encoder();

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text) as Uint8Array<ArrayBuffer>;
}

/** UTF-8 decode of the encoding standard: drops a byte order mark, replaces what is malformed. */
export function decodeUtf8(bytes: Uint8Array): string {
  return new Decoder().decode(bytes);
}

/** UTF-8 decode without BOM handling. */
export function decodeUtf8KeepingBom(bytes: Uint8Array): string {
  return new Decoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Decoded by the first of these labels that names an encoding, UTF-8 without one; a byte order mark overrules it. */
export function decodeAs(bytes: Uint8Array, labels: readonly (string | undefined)[]): string {
  const label = labels.find((one) => one !== undefined && labelToName(trimAscii(one)) !== null);
  return legacyHookDecode(
    bytes,
    label === undefined ? "utf-8" : labelToName(trimAscii(label))!.toLowerCase(),
  );
}

/** Each byte is a code point. */
export function decodeIsomorphic(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8_192) {
    text += String.fromCharCode.apply(null, bytes.subarray(i, i + 8_192) as unknown as number[]);
  }
  return text;
}

export function encodeIsomorphic(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export class GuestTextEncoder {
  readonly #encoder = encoder;

  get encoding() {
    this.#encoder;
    return "utf-8";
  }

  encode(input: unknown = "") {
    return this.#encoder.encode(toDomString(input));
  }

  encodeInto(source: unknown, destination: unknown) {
    requireArguments(arguments.length, 2, "TextEncoder.encodeInto");
    const text = toDomString(source);
    if (viewName(destination) !== "Uint8Array") throw new TypeError("encodeInto writes to a Uint8Array");
    return encodeInto(text, destination as Uint8Array);
  }
}

function encodeInto(text: string, target: Uint8Array): { read: number; written: number } {
  let read = 0;
  let written = 0;
  const room = target.length;
  while (read < text.length) {
    const code = text.codePointAt(read)!;
    const scalar = code >= 0xd800 && code <= 0xdfff ? 0xfffd : code;
    const size = scalar < 0x80 ? 1 : scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4;
    if (written + size > room) break;
    if (size === 1) target[written] = scalar;
    else {
      for (let i = size - 1, rest = scalar; i > 0; i--, rest >>= 6)
        target[written + i] = (rest & 0x3f) | 0x80;
      target[written] = ((0xf00 >> size) & 0xff) | (scalar >> (6 * (size - 1)));
    }
    written += size;
    read += code >= 0x10000 ? 2 : 1;
  }
  return { read, written };
}

class GuestTextDecoder {
  readonly #decoder: InstanceType<typeof Decoder>;
  readonly #encoding: string;

  constructor(label: unknown = "utf-8", options: unknown = {}) {
    const name = toDomString(label);
    const { fatal, ignoreBOM } = toDictionary(options, "The decoder's options");
    this.#encoding = (labelToName(trimAscii(name)) ?? "replacement").toLowerCase();
    if (this.#encoding === "replacement") throw new RangeError(`'${name}' is not a supported encoding`);
    this.#decoder = new Decoder(this.#encoding, { fatal: Boolean(fatal), ignoreBOM: Boolean(ignoreBOM) });
  }

  get encoding() {
    return this.#encoding;
  }
  get fatal() {
    return this.#decoder.fatal;
  }
  get ignoreBOM() {
    return this.#decoder.ignoreBOM;
  }

  decode(input: unknown = undefined, options: unknown = {}) {
    const decoder = this.#decoder;
    if (input !== undefined && !isBufferSource(input)) throw new TypeError("decode takes a buffer source");
    const { stream } = toDictionary(options, "decode's options");
    return decoder.decode(input === undefined ? undefined : viewBytes(input), { stream: Boolean(stream) });
  }
}

function trimAscii(label: string): string {
  return label.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, "");
}

class GuestTextEncoderStream {
  readonly #transform: TransformStream<unknown, Uint8Array>;

  constructor() {
    let lead = "";
    this.#transform = new GuestTransformStream({
      transform(chunk, controller) {
        let text = lead + toDomString(chunk);
        lead = "";
        const last = text.charCodeAt(text.length - 1);
        if (last >= 0xd800 && last <= 0xdbff) {
          lead = text.slice(-1);
          text = text.slice(0, -1);
        }
        if (text !== "") controller.enqueue(encodeUtf8(text));
      },
      flush(controller) {
        if (lead !== "") controller.enqueue(encodeUtf8("\ufffd"));
      },
    });
  }
  get encoding() {
    this.#transform;
    return "utf-8";
  }
  get readable() {
    return this.#transform.readable;
  }
  get writable() {
    return this.#transform.writable;
  }
}

class GuestTextDecoderStream {
  readonly #decoder: GuestTextDecoder;
  readonly #transform: TransformStream<unknown, string>;

  constructor(label: unknown = "utf-8", options: unknown = {}) {
    const decoder = new GuestTextDecoder(label, options);
    this.#decoder = decoder;
    this.#transform = new GuestTransformStream({
      transform(chunk, controller) {
        if (!isObject(chunk) || !isBufferSource(chunk))
          throw new TypeError("The chunk is not a buffer source");
        const text = decode(decoder, chunk, { stream: true });
        if (text !== "") controller.enqueue(text);
      },
      flush(controller) {
        const text = decode(decoder);
        if (text !== "") controller.enqueue(text);
      },
    });
  }
  get encoding() {
    return this.#decoder.encoding;
  }
  get fatal() {
    return this.#decoder.fatal;
  }
  get ignoreBOM() {
    return this.#decoder.ignoreBOM;
  }
  get readable() {
    return this.#transform.readable;
  }
  get writable() {
    return this.#transform.writable;
  }
}

const decode = Function.prototype.call.bind(GuestTextDecoder.prototype.decode) as (
  decoder: GuestTextDecoder,
  input?: unknown,
  options?: unknown,
) => string;

export function installEncoding(): void {
  defineInterface("TextEncoder", GuestTextEncoder);
  defineInterface("TextDecoder", GuestTextDecoder);
  defineInterface("TextEncoderStream", GuestTextEncoderStream);
  defineInterface("TextDecoderStream", GuestTextDecoderStream);
}
