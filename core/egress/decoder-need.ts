/**
 * What a decoder will hold, read off the first bytes of its stream before there is a decoder. The figures are upper
 * bounds of what a hostile stream makes of it, buffers on both sides included.
 */

const KILOBYTE = 1_024;
const MEGABYTE = 1_048_576;

export interface DecoderNeed {
  /** What it may come to hold. */
  bytes: number;
  /** Of zstd alone: the window that no frame of the stream may pass. */
  windowLog?: number;
  /** How much comes out of it in all, where the stream says so. */
  outputBytes?: number;
}

/** zlib's window of 32 KB with its tables, and what any decoder has besides: a buffer, and the objects around it. */
const ZLIB_BYTES = 160 * KILOBYTE;
/**
 * Three groups of 256 prefix codes, whose tables have up to 630, 1,080 and 920 entries of four bytes, context maps, and
 * what any decoder has besides. While its window grows a decoder holds the former one too, for the moment of a copy.
 */
const BROTLI_TABLES_BYTES = 3 * MEGABYTE;
const BROTLI_MAX_WINDOW_LOG = 24;
/** Of a stored block whose end is looked for. */
const MAX_STORED_BYTES = 4 * KILOBYTE;
/** The context with its tables, a block on each side of the window, and what any decoder has besides. */
const ZSTD_BLOCKS_BYTES = 1.5 * MEGABYTE;
/** The largest window a decoder of RFC 9659 must take: 8 MB. */
const ZSTD_MAX_WINDOW_LOG = 23;
/** The first frame may be smaller than those after it: so much is granted to all, as encoders use it by default. */
const ZSTD_MIN_WINDOW_LOG = 21;
const ZSTD_MAGIC = 0xfd2fb528;

const ZLIB: DecoderNeed = { bytes: ZLIB_BYTES };
const LARGEST_BROTLI = brotliNeed(2 ** BROTLI_MAX_WINDOW_LOG);
const LARGEST_ZSTD = zstdNeed(ZSTD_MAX_WINDOW_LOG);

/** Of a stream about which nothing is known yet. */
export function largestNeed(coding: string): DecoderNeed {
  return coding === "br" ? LARGEST_BROTLI : coding === "zstd" ? LARGEST_ZSTD : ZLIB;
}

export function sumOf(needs: readonly DecoderNeed[]): number {
  return needs.reduce((bytes, need) => bytes + need.bytes, 0);
}

/** The largest need of any one decoder. */
export const LARGEST_DECODER_BYTES = LARGEST_BROTLI.bytes;

/** Undefined where `start` is too short to tell. */
export function readNeed(coding: string, start: Buffer): DecoderNeed | undefined {
  return coding === "br" ? readBrotli(start) : coding === "zstd" ? readZstd(start) : ZLIB;
}

function brotliNeed(windowBytes: number): DecoderNeed {
  return { bytes: windowBytes + BROTLI_TABLES_BYTES };
}

function zstdNeed(windowLog: number): DecoderNeed {
  return { bytes: 2 ** windowLog + ZSTD_BLOCKS_BYTES, windowLog };
}

/**
 * RFC 7932, 9.1 and 9.2. The window is as large as the header says, unless one block is all there is: then it is the
 * least power of two that holds the block.
 */
function readBrotli(start: Buffer): DecoderNeed | undefined {
  // The window's bits, a flag or two, the length of the length, the length, and a flag: 7 + 2 + 2 + 24 + 1 at most.
  if (start.length < 5) return undefined;
  const bits = new BitReader(start);
  const windowBytes = 2 ** Math.min(readWindowBits(bits), BROTLI_MAX_WINDOW_LOG);
  const isLast = bits.read(1) === 1;
  if (isLast && bits.read(1) === 1) return onlyBlock(0, windowBytes);
  const nibbles = 4 + bits.read(2);
  // Metadata, of which nothing comes out.
  if (nibbles === 7) return brotliNeed(windowBytes);
  const blockBytes = bits.read(4 * nibbles) + 1;
  if (isLast) return onlyBlock(blockBytes, windowBytes);
  const isStored = bits.read(1) === 1;
  // What is too short to be worth compressing is stored, and an empty block follows.
  if (!isStored || blockBytes > MAX_STORED_BYTES) return brotliNeed(windowBytes);
  const end = bits.nextByte + blockBytes;
  if (start.length < end) return undefined;
  // What has not come yet is not waited for: it may take its time, and the block is to be read now.
  const isOver = start.length > end && (start[end]! & 3) === 3;
  return isOver ? onlyBlock(blockBytes, windowBytes) : brotliNeed(windowBytes);
}

function onlyBlock(outputBytes: number, windowBytes: number): DecoderNeed {
  const ringBytes = 2 ** Math.ceil(Math.log2(Math.max(outputBytes, KILOBYTE)));
  return { ...brotliNeed(Math.min(windowBytes, ringBytes)), outputBytes };
}

function readWindowBits(bits: BitReader): number {
  if (bits.read(1) === 0) return 16;
  const high = bits.read(3);
  if (high !== 0) return 17 + high;
  const low = bits.read(3);
  // 1 stands for windows beyond the format, which are not decoded.
  return low === 0 ? 17 : 8 + low;
}

/** RFC 8878, 3.1.1.1. What is no frame of data may be followed by any. */
function readZstd(start: Buffer): DecoderNeed | undefined {
  if (start.length < 4) return undefined;
  if (start.readUInt32LE(0) !== ZSTD_MAGIC) return LARGEST_ZSTD;
  const descriptor = start[4] ?? 0;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  if (start.length < (isSingleSegment ? 14 : 6)) return undefined;
  const windowBytes = isSingleSegment ? readContentBytes(start, descriptor) : readZstdWindow(start[5]!);
  const windowLog = Math.max(Math.ceil(Math.log2(windowBytes)), ZSTD_MIN_WINDOW_LOG);
  if (windowLog >= ZSTD_MAX_WINDOW_LOG) return LARGEST_ZSTD;
  return { ...zstdNeed(windowLog), ...(isSingleSegment ? { outputBytes: windowBytes } : {}) };
}

function readZstdWindow(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 0x07);
}

/** Of a frame in a single segment; its dictionary's id comes first. */
function readContentBytes(start: Buffer, descriptor: number): number {
  const at = 5 + [0, 1, 2, 4][descriptor & 0x03]!;
  switch (descriptor >> 6) {
    case 0:
      return start[at]!;
    case 1:
      return start.readUInt16LE(at) + 256;
    case 2:
      return start.readUInt32LE(at);
    default:
      return Infinity;
  }
}

/** Bits from the least significant on. */
class BitReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Where the next whole byte begins. */
  get nextByte(): number {
    return Math.ceil(this.#at / 8);
  }

  read(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++, this.#at++) {
      value += (((this.#bytes[this.#at >> 3] ?? 0) >> (this.#at & 7)) & 1) * 2 ** i;
    }
    return value;
  }
}
