/** Undoes the content encodings of a response's body, a buffer at a time, as the Fetch standard has it. */
import { pipeline, Readable, type Transform } from "node:stream";
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib";

/** More in a row serve nobody but a bomb: each decoder holds a window, brotli's 16 MB. */
const MAX_CODINGS = 2;
/** The largest window a decoder of RFC 9659 must take: 8 MB. */
const ZSTD_WINDOW_LOG = 23;
/** A body cut short by a careless encoder is taken as far as it goes, as browsers do. */
const LENIENT = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
const LENIENT_BROTLI = {
  flush: constants.BROTLI_OPERATION_FLUSH,
  finishFlush: constants.BROTLI_OPERATION_FLUSH,
};

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

/** What a decoder keeps of its output, at most; the others keep next to nothing. */
const WINDOW_BYTES: Record<string, number> = { br: 16_777_216, zstd: 2 ** ZSTD_WINDOW_LOG };

export interface DecodeLimits {
  /** Around what each coding gives: between two of them much may swell up of which nothing is left. */
  bound(decoded: AsyncIterable<Buffer>): AsyncIterable<Buffer>;
  /** A decoder's window has grown by so many bytes; what it throws ends the body. */
  take(bytes: number): void;
  give(bytes: number): void;
}

/** Errors of `body` and of `limits` come through as they are; those of the codings carry zlib's codes. */
export function decodeBody(
  body: AsyncIterable<Buffer>,
  codings: string[],
  limits: DecodeLimits,
): AsyncIterable<Buffer> {
  return codings.reduce(
    (chunks, coding) => limits.bound(countWindow(undo(chunks, coding), WINDOW_BYTES[coding] ?? 0, limits)),
    body,
  );
}

async function* countWindow(
  decoded: AsyncIterable<Buffer>,
  windowBytes: number,
  { take, give }: DecodeLimits,
): AsyncGenerator<Buffer> {
  let heldBytes = 0;
  try {
    for await (const chunk of decoded) {
      const moreBytes = Math.min(chunk.length, windowBytes - heldBytes);
      take(moreBytes);
      heldBytes += moreBytes;
      yield chunk;
    }
  } finally {
    give(heldBytes);
  }
}

async function* undo(body: AsyncIterable<Buffer>, coding: string): AsyncGenerator<Buffer> {
  const chunks = body[Symbol.asyncIterator]();
  const first = await chunks.next();
  // A head may name a coding and no body follow: zlib would make an error of that.
  if (first.done) return;
  const input = Readable.from(startingWith(first.value, chunks));
  yield* pipeline(input, createDecoder(coding, first.value), () => {});
}

async function* startingWith(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

function isKnown(coding: string): boolean {
  return ["gzip", "x-gzip", "deflate", "br", "zstd"].includes(coding);
}

function createDecoder(coding: string, start: Buffer): Transform {
  if (coding === "br") return createBrotliDecompress(LENIENT_BROTLI);
  if (coding === "zstd") {
    return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
  }
  if (coding !== "deflate") return createGunzip(LENIENT);
  // Half of the world sends it without the zlib header that the name stands for.
  return (start[0]! & 0x0f) === 0x08 ? createInflate(LENIENT) : createInflateRaw(LENIENT);
}
