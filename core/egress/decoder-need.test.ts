import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from "node:zlib";
import { type DecoderNeed, LARGEST_DECODER_BYTES, largestNeed, readNeed } from "./decoder-need.ts";

const MEGABYTE = 1_048_576;
/** Does not shrink to a block that is known to be short. */
const long = Buffer.alloc(20 * MEGABYTE);

function need(coding: string, encoded: Buffer): DecoderNeed {
  const read = readNeed(coding, encoded);
  assert.ok(read, "the stream's start tells");
  return read;
}

const brotli = (bytes: Buffer, windowLog: number) =>
  brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_LGWIN]: windowLog, [constants.BROTLI_PARAM_QUALITY]: 5 },
  });
const zstd = (bytes: Buffer, params: Record<number, number>) => zstdCompressSync(bytes, { params });

describe("what a decoder needs", () => {
  it("is brotli's window, in each of its sizes, and its tables", () => {
    for (let windowLog = 10; windowLog <= 24; windowLog++) {
      assert.equal(need("br", brotli(long, windowLog)).bytes, 2 ** windowLog + 3 * MEGABYTE, `${windowLog}`);
    }
    assert.equal(largestNeed("br").bytes, 19 * MEGABYTE);
    assert.equal(LARGEST_DECODER_BYTES, 19 * MEGABYTE);
  });

  it("is little more than brotli's only block, where that is all there is", () => {
    for (const [bytes, ring] of [
      [0, 1_024],
      [1, 1_024],
      [1_025, 2_048],
      [65_536, 65_536],
      [65_537, 131_072],
    ] as const) {
      const encoded = brotli(Buffer.alloc(bytes, "ab"), 24);
      const { bytes: needed, outputBytes } = need("br", Buffer.concat([encoded, Buffer.alloc(5)]));
      assert.deepEqual([needed, outputBytes], [ring + 3 * MEGABYTE, bytes]);
    }
  });

  it("is little of what brotli only stores, once its end is seen", () => {
    const encoded = brotli(Buffer.from('{"ok":true}'), 24);
    const { bytes, outputBytes } = need("br", encoded);
    assert.deepEqual([bytes, outputBytes], [1_024 + 3 * MEGABYTE, 11]);
    assert.deepEqual(need("br", encoded.subarray(0, -1)), largestNeed("br"));
    assert.equal(readNeed("br", encoded.subarray(0, -2)), undefined);
    const goesOn = Buffer.from(encoded);
    goesOn[goesOn.length - 1] = 0;
    assert.deepEqual(need("br", goesOn), largestNeed("br"));
  });

  it("is the window of zstd's first frame, 2 MB at least and 8 MB at most", () => {
    const { ZSTD_c_windowLog, ZSTD_c_contentSizeFlag } = constants;
    for (const [windowLog, granted] of [
      [10, 21],
      [21, 21],
      [22, 22],
      [23, 23],
      // Refused by the decoder.
      [27, 23],
    ] as const) {
      const encoded = zstd(long, { [ZSTD_c_windowLog]: windowLog, [ZSTD_c_contentSizeFlag]: 0 });
      const { bytes, windowLog: allowed } = need("zstd", encoded);
      assert.deepEqual([allowed, bytes], [granted, 2 ** granted + 1.5 * MEGABYTE], `${windowLog}`);
    }
  });

  it("tells what comes out of a single segment of zstd's", () => {
    for (const bytes of [0, 5, 255, 256, 65_791, 65_792, 200_000]) {
      const encoded = zstd(Buffer.alloc(bytes, "ab"), {});
      const { outputBytes } = need("zstd", Buffer.concat([encoded, Buffer.alloc(14)]));
      assert.equal(outputBytes, bytes);
    }
  });

  it("is the most where the start of a zstd stream tells nothing", () => {
    const skippable = Buffer.from("502a4d180400000000000000", "hex");
    assert.deepEqual(need("zstd", skippable), largestNeed("zstd"));
  });

  it("is little of zlib's, whatever it says", () => {
    for (const coding of ["gzip", "x-gzip", "deflate"]) {
      assert.ok(need(coding, gzipSync("")).bytes < 262_144);
      assert.deepEqual(need(coding, Buffer.from([0])), largestNeed(coding));
    }
  });

  it("is not known from a start that is too short", () => {
    const encoded = brotli(long, 24);
    for (let length = 0; length < 5; length++) {
      assert.equal(readNeed("br", encoded.subarray(0, length)), undefined);
    }
    for (const length of [0, 3, 4, 5]) {
      assert.equal(readNeed("zstd", zstd(long, {}).subarray(0, length)), undefined);
    }
    const single = zstd(Buffer.alloc(300, "ab"), {});
    for (const length of [0, 5, 13]) assert.equal(readNeed("zstd", single.subarray(0, length)), undefined);
  });
});
