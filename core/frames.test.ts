import assert from "node:assert/strict";
import { PassThrough, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { encodeFrame, FrameDecoder, FrameTooLargeError, FrameWriter, splitFrame } from "./frames.ts";

function decodeAll(chunks: Buffer[], maxBytes = 1_000): unknown[] {
  const frames: unknown[] = [];
  const decoder = new FrameDecoder(maxBytes, (json) => frames.push(JSON.parse(json)));
  for (const chunk of chunks) decoder.push(chunk);
  return frames;
}

/** The names in what is written, by the piece. */
function collectNames() {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk.toString().replaceAll(/[^a-z]/g, ""));
      done();
    },
  });
  return { chunks, stream };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("FrameDecoder", () => {
  const messages = [{ a: 1 }, { text: "grüße 🛎" }, {}, { long: "x".repeat(300) }];
  const stream = Buffer.concat(messages.map((message) => encodeFrame(message, 1_000)));

  for (const size of [1, 3, 5, 64, stream.length]) {
    test(`gives whole frames from chunks of ${size} bytes`, () => {
      const chunks: Buffer[] = [];
      for (let i = 0; i < stream.length; i += size) chunks.push(stream.subarray(i, i + size));
      assert.deepEqual(decodeAll(chunks), messages);
    });
  }

  test("refuses a frame that is too long by its four bytes alone", () => {
    const decoder = new FrameDecoder(1_000, () => assert.fail("no frame"));
    const header = Buffer.alloc(4);
    header.writeUInt32LE(1_001);
    assert.throws(() => decoder.push(header), FrameTooLargeError);
  });

  test("takes a frame of just the limit", () => {
    const frame = encodeFrame({ a: "x".repeat(92) }, 100);
    assert.equal(frame.length, 4 + 100);
    assert.equal(decodeAll([frame], 100).length, 1);
  });
});

describe("a payload", () => {
  const texts = ["", "plain", '{"a":"\\n"}', "two\nlines\n", "grüße 🛎"];
  for (const payload of texts)
    test(`comes as it went: ${JSON.stringify(payload)}`, () => {
      const parts: ReturnType<typeof splitFrame>[] = [];
      const decoder = new FrameDecoder(1_000, (text) => parts.push(splitFrame(text)));
      decoder.push(encodeFrame({ a: "line\nbreak" }, 1_000, payload));
      decoder.push(encodeFrame({ b: 1 }, 1_000));
      assert.deepEqual(parts, [
        { json: '{"a":"line\\nbreak"}', payload },
        { json: '{"b":1}', payload: undefined },
      ]);
    });

  test("counts for the size of its frame", () => {
    assert.equal(encodeFrame({}, 10, "0123456").length, 4 + 10);
    assert.throws(() => encodeFrame({}, 10, "01234567"), FrameTooLargeError);
  });
});

describe("FrameWriter", () => {
  test("refuses what is too long before it writes", () => {
    const stream = new PassThrough();
    const writer = new FrameWriter(stream, 10);
    assert.throws(() => writer.write({ a: "0123456789" }), FrameTooLargeError);
    assert.equal(stream.readableLength + stream.writableLength, 0);
  });

  test("says when to wait and when to go on", async () => {
    const stream = new PassThrough({ highWaterMark: 64 });
    const writer = new FrameWriter(stream, 10_000);
    assert.equal(writer.write({ a: "x".repeat(500) }), false);
    let isDrained = false;
    const drained = writer.drained().then(() => {
      isDrained = true;
    });
    await Promise.resolve();
    assert.equal(isDrained, false);
    const all = text(stream);
    await drained;
    stream.end();
    assert.equal((await all).length, 4 + 508);
  });

  test("sends what comes turn after turn in one piece, and one alone soon", async () => {
    const { chunks, stream } = collectNames();
    let nowMs = 0;
    const writer = new FrameWriter(stream, 1_000, () => nowMs);
    for (const name of ["a", "b", "c"]) {
      writer.write([name]);
      await turn();
    }
    assert.equal(chunks.length, 0);
    await turn();
    assert.equal(chunks.join(" "), "abc");
    for (let index = 0; index < 100; index += 1) {
      writer.write(["d"]);
      await turn();
    }
    assert.ok(chunks.length > 5, "a burst without end does not wait for its end");
    writer.write(["e"]);
    writer.flush();
    assert.equal(chunks.at(-1)!.at(-1), "e");
    writer.write(["f"]);
    nowMs += 1;
    await turn();
    assert.equal(chunks.at(-1), "f", "where turns take long, none is waited for");
  });

  test("sends a frame at once where the last ones came alone, and gathers again as soon as they do not", async () => {
    const { chunks, stream } = collectNames();
    let nowMs = 0;
    const writer = new FrameWriter(stream, 1_000, () => nowMs);
    for (const name of ["s", "t", "u", "v", "w", "a", "b", "c"]) {
      nowMs += 2;
      writer.write([name]);
      assert.notEqual(chunks.at(-1), name);
      await turn();
      await turn();
      assert.equal(chunks.at(-1), name);
    }
    for (const name of ["d", "e"]) {
      nowMs += 2;
      writer.write([name]);
      assert.equal(chunks.at(-1), name);
    }
    for (const name of ["f", "g", "h"]) writer.write([name]);
    assert.equal(chunks.at(-1), "e", "they come right after another");
    await turn();
    await turn();
    assert.equal(chunks.at(-1), "fgh");
    nowMs += 2;
    writer.write(["i"]);
    assert.equal(chunks.at(-1), "fgh", "a burst was there a moment ago");
  });

  test("does not wait for a stream that is gone", async () => {
    const stream = new PassThrough({ highWaterMark: 8 });
    stream.on("error", () => {});
    const writer = new FrameWriter(stream, 1_000);
    writer.write({ a: "0123456789" });
    const drained = writer.drained();
    stream.destroy();
    await drained;
    assert.equal(stream.destroyed, true);
  });
});
