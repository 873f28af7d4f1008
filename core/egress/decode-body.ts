/**
 * Undoes the content encodings of a response's body, as the Fetch standard has it, at the pace at which it is read: no
 * decoder is made before the memory that it may come to hold is granted.
 */
import type { Transform } from "node:stream";
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib";
import { type DecoderNeed, largestNeed, readNeed, sumOf } from "./decoder-need.ts";
import { HeldDecoders } from "./held-decoders.ts";
import { PACED } from "./paced-decoder.ts";

/** More in a row serve nobody but a bomb. */
const MAX_CODINGS = 2;
/** A body cut short by a careless encoder is taken as far as it goes, as browsers do. */
const LENIENT = { ...PACED, flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
const LENIENT_BROTLI = {
  ...PACED,
  flush: constants.BROTLI_OPERATION_FLUSH,
  finishFlush: constants.BROTLI_OPERATION_FLUSH,
};
/** Decoders that hold no more are made before anybody reads, and so are those whose whole output is as small. */
const SMALL_BYTES = 524_288;
const SMALL_OUTPUT_BYTES = 262_144;
/** No stream's head is longer, as far as it is looked at. */
const START_BYTES = 14;

/** The codings in the order in which they are undone; none where one of them is unknown: such a body stays as it is. */
export function readCodings(contentEncoding: string): string[] {
  const codings = contentEncoding
    .toLowerCase()
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity");
  return codings.every(isKnown) ? codings.reverse() : [];
}

export function hasTooManyCodings(codings: string[]): boolean {
  return codings.length > MAX_CODINGS;
}

export interface DecodeLimits {
  /** Around what each coding gives: between two of them much may swell up of which nothing is left. */
  bound(decoded: AsyncIterable<Buffer>): AsyncIterable<Buffer>;
  /** Resolves, in its turn, with what gives so many bytes back. `onRevoked`: they must be given back. */
  take(bytes: number, onRevoked: () => void): Promise<() => void>;
  /** Resolves when somebody reads the body. */
  wanted(): Promise<void>;
  signal: AbortSignal;
}

/** Errors of `body` and of `limits` come through as they are; those of the codings carry zlib's codes. */
export function decodeBody(
  body: AsyncIterable<Buffer>,
  codings: string[],
  limits: DecodeLimits,
): AsyncIterable<Buffer> {
  return codings.length === 0 ? body : decode(body, codings, limits);
}

async function* decode(
  body: AsyncIterable<Buffer>,
  codings: string[],
  limits: DecodeLimits,
): AsyncGenerator<Buffer> {
  const chunks = body[Symbol.asyncIterator]();
  const decoders = new HeldDecoders(limits.signal);
  try {
    const start = await readStart(chunks, codings[0]!);
    // A head may name a coding and no body follow: zlib would make an error of that.
    if (!start) return;
    // All at once: who holds one and waits for the next might wait for ever.
    const needs = [start.need, ...codings.slice(1).map(largestNeed)];
    if (!isSmall(needs)) await limits.wanted();
    await decoders.claim(needs, limits.take);
    const input: AsyncIterable<Buffer> = startingWith(start.bytes, chunks);
    yield* codings.reduce(
      (encoded, coding, i) => limits.bound(undo(encoded, coding, needs[i]!, decoders)),
      input,
    );
  } finally {
    await decoders.close();
    await chunks.return?.();
  }
}

/** A body that nobody reads shall end too where it is short, and hold next to nothing where it is not. */
function isSmall(needs: DecoderNeed[]): boolean {
  const [{ outputBytes = Infinity }] = needs as [DecoderNeed];
  return sumOf(needs) <= SMALL_BYTES || (needs.length === 1 && outputBytes <= SMALL_OUTPUT_BYTES);
}

/** As much as it takes to tell what a decoder needs; undefined where there is nothing. */
async function readStart(
  chunks: AsyncIterator<Buffer>,
  coding: string,
): Promise<{ bytes: Buffer; need: DecoderNeed } | undefined> {
  let bytes: Buffer | undefined;
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
    bytes = bytes ? Buffer.concat([bytes, next.value]) : next.value;
    const need = readNeed(coding, bytes);
    if (need) return { bytes, need };
  }
  if (!bytes || bytes.length === 0) return undefined;
  const padded = Buffer.concat([bytes], START_BYTES);
  return { bytes, need: readNeed(coding, padded) ?? largestNeed(coding) };
}

async function* startingWith(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

async function* undo(
  encoded: AsyncIterable<Buffer>,
  coding: string,
  need: DecoderNeed,
  decoders: HeldDecoders,
): AsyncGenerator<Buffer> {
  const chunks = encoded[Symbol.asyncIterator]();
  try {
    let input = await chunks.next();
    if (input.done) return;
    const decoder = decoders.open(() => createDecoder(coding, need, input.value));
    for (; !input.done && !decoder.isOver; input = await chunks.next()) {
      yield* decoder.decode(input.value);
      decoders.check();
    }
    yield* decoder.decode(null);
    decoders.check();
  } finally {
    await chunks.return?.();
  }
}

function isKnown(coding: string): boolean {
  return ["gzip", "x-gzip", "deflate", "br", "zstd"].includes(coding);
}

function createDecoder(coding: string, { windowLog }: DecoderNeed, start: Buffer): Transform {
  if (coding === "br") return createBrotliDecompress(LENIENT_BROTLI);
  if (coding === "zstd") {
    return createZstdDecompress({ ...PACED, params: { [constants.ZSTD_d_windowLogMax]: windowLog! } });
  }
  if (coding !== "deflate") return createGunzip(LENIENT);
  // Half of the world sends it without the zlib header that the name stands for.
  return (start[0]! & 0x0f) === 0x08 ? createInflate(LENIENT) : createInflateRaw(LENIENT);
}
