/** Uint8Array to and from base64 and hex, as the language has it in later versions of V8. */
import { requireArguments } from "./webidl.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Options = { alphabet?: unknown; lastChunkHandling?: unknown; omitPadding?: unknown };
type Decoded = { read: number; bytes: number[] };

const STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE = `${STANDARD.slice(0, 62)}-_`;
const HEX = "0123456789abcdef";
const SPACE = /[\t\n\f\r ]/;

function readOption<T extends string>(given: unknown, fallback: T, known: readonly T[], name: string): T {
  if (given === undefined) return fallback;
  if (!known.includes(given as T)) throw new TypeError(`${name} must be one of ${known.join(", ")}`);
  return given as T;
}

function lettersOf({ alphabet }: Options): string {
  const name = readOption(alphabet, "base64", ["base64", "base64url"] as const, "alphabet");
  return name === "base64" ? STANDARD : URL_SAFE;
}

function requireText(text: unknown, where: string): string {
  if (typeof text !== "string") throw new TypeError(`${where} takes a string`);
  return text;
}

function requireBytes(value: unknown, where: string): Bytes {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${where} is a method of Uint8Array`);
  return value as Bytes;
}

/** The bytes of two to four values of six bits; where the last is not whole its rest must be zero, if `isStrict`. */
function joinChunk(values: number[], isStrict: boolean): number[] {
  const [a = 0, b = 0, c = 0, d = 0] = values;
  const bytes = [(a << 2) | (b >> 4), ((b & 15) << 4) | (c >> 2), ((c & 3) << 6) | d];
  const count = values.length - 1;
  if (isStrict && bytes[count]) throw new SyntaxError("The last letter holds bits beyond the last byte");
  return bytes.slice(0, count);
}

function decodeBase64(text: string, options: Options, mostBytes: number): Decoded {
  const letters = lettersOf(options);
  const handlings = ["loose", "strict", "stop-before-partial"] as const;
  const handling = readOption(options.lastChunkHandling, "loose", handlings, "lastChunkHandling");
  const bytes: number[] = [];
  let chunk: number[] = [];
  let read = 0;
  if (mostBytes === 0) return { read, bytes };
  const skip = (from: number) => {
    let at = from;
    while (at < text.length && SPACE.test(text[at]!)) at++;
    return at;
  };
  const refuse = (): never => {
    throw new SyntaxError("The text is not base64");
  };
  for (let at = skip(0); at < text.length; at = skip(at)) {
    const letter = text[at++]!;
    if (letter === "=") {
      if (chunk.length < 2) refuse();
      at = skip(at);
      if (chunk.length === 2) {
        if (at === text.length) return handling === "stop-before-partial" ? { read, bytes } : refuse();
        if (text[at] === "=") at = skip(at + 1);
      }
      if (at < text.length) refuse();
      return { read: text.length, bytes: bytes.concat(joinChunk(chunk, handling === "strict")) };
    }
    const value = letters.indexOf(letter);
    if (value < 0) refuse();
    const left = mostBytes - bytes.length;
    if (left < 3 && chunk.length === left + 1) return { read, bytes };
    chunk.push(value);
    if (chunk.length < 4) continue;
    bytes.push(...joinChunk(chunk, false));
    chunk = [];
    read = at;
    if (bytes.length === mostBytes) return { read, bytes };
  }
  if (chunk.length > 0) {
    if (handling === "stop-before-partial") return { read, bytes };
    if (handling === "strict" || chunk.length === 1) refuse();
    bytes.push(...joinChunk(chunk, false));
  }
  return { read: text.length, bytes };
}

function decodeHex(text: string, mostBytes: number): Decoded {
  if (text.length % 2 !== 0) throw new SyntaxError("The text has an odd number of hex digits");
  const bytes: number[] = [];
  let read = 0;
  for (; read < text.length && bytes.length < mostBytes; read += 2) {
    const pair = text.slice(read, read + 2);
    if (!/^[\da-f]{2}$/i.test(pair)) throw new SyntaxError("The text is not hex");
    bytes.push(Number.parseInt(pair, 16));
  }
  return { read, bytes };
}

function fill(target: Bytes, { read, bytes }: Decoded) {
  target.set(bytes);
  return { read, written: bytes.length };
}

const statics = {
  fromBase64(text: unknown, options: Options = {}) {
    requireArguments(arguments.length, 1, "Uint8Array.fromBase64");
    const given = requireText(text, "Uint8Array.fromBase64");
    return Uint8Array.from(decodeBase64(given, options, Number.POSITIVE_INFINITY).bytes);
  },
  fromHex(text: unknown) {
    requireArguments(arguments.length, 1, "Uint8Array.fromHex");
    return Uint8Array.from(
      decodeHex(requireText(text, "Uint8Array.fromHex"), Number.POSITIVE_INFINITY).bytes,
    );
  },
};

const methods = {
  toBase64(this: unknown, options: Options = {}) {
    const bytes = requireBytes(this, "toBase64");
    const letters = lettersOf(options);
    let text = "";
    for (let at = 0; at < bytes.length; at += 3) {
      const triple = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
      const count = Math.min(bytes.length - at, 3) + 1;
      for (let i = 0; i < count; i++) text += letters[(triple >> (18 - 6 * i)) & 63]!;
      if (!options.omitPadding) text += "=".repeat(4 - count);
    }
    return text;
  },
  toHex(this: unknown) {
    let text = "";
    for (const byte of requireBytes(this, "toHex")) text += HEX[byte >> 4]! + HEX[byte & 15]!;
    return text;
  },
  setFromBase64(this: unknown, text: unknown, options: Options = {}) {
    const target = requireBytes(this, "setFromBase64");
    return fill(target, decodeBase64(requireText(text, "setFromBase64"), options, target.length));
  },
  setFromHex(this: unknown, text: unknown) {
    const target = requireBytes(this, "setFromHex");
    return fill(target, decodeHex(requireText(text, "setFromHex"), target.length));
  },
};

export function installByteTexts(): void {
  for (const [holder, added] of [
    [Uint8Array, statics],
    [Uint8Array.prototype, methods],
  ] as const) {
    for (const [name, value] of Object.entries(added)) {
      if (name in holder) continue;
      Object.defineProperty(holder, name, { value, writable: true, enumerable: false, configurable: true });
    }
  }
}
