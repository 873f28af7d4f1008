import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FETCH_CHUNK_BYTES, FETCH_WINDOW_BYTES } from "../../protocol/fetch-messages.ts";
import { ProtocolError } from "./protocol-error.ts";
import { RequestUpload } from "./request-upload.ts";

function open() {
  const granted: number[] = [];
  const upload = new RequestUpload(
    (bytes) => granted.push(bytes),
    () => Promise.resolve(),
  );
  return { upload, granted, chunks: upload[Symbol.asyncIterator]() };
}

async function readAll(upload: RequestUpload): Promise<{ text: string; blocks: number }> {
  const blocks: Uint8Array[] = [];
  for await (const block of upload) blocks.push(block);
  return { text: Buffer.concat(blocks).toString(), blocks: blocks.length };
}

describe("RequestUpload", () => {
  it("hands chunks on as they come, and small ones that wait together", async () => {
    const { upload, chunks } = open();
    const first = chunks.next();
    upload.push(Buffer.from("a"));
    assert.equal(String((await first).value), "a");
    upload.push(Buffer.from("b"));
    upload.push(Buffer.from("c"));
    assert.equal(String((await chunks.next()).value), "bc");
    const last = chunks.next();
    upload.end();
    assert.equal((await last).done, true);
  });

  it("keeps a window of single bytes in few blocks, in their order", async () => {
    const { upload } = open();
    const text = "0123456789abcdef".repeat(FETCH_WINDOW_BYTES / 16);
    for (let i = 0; i < FETCH_WINDOW_BYTES; i++) upload.push(Buffer.from([text.charCodeAt(i)]));
    upload.end();
    const read = await readAll(upload);
    assert.equal(read.text, text);
    assert.ok(read.blocks <= 17, `${read.blocks} blocks`);
  });

  it("keeps small and large chunks in their order", async () => {
    const { upload } = open();
    const parts = ["a", "B".repeat(20_000), "c", "d".repeat(16_383), "e", "F".repeat(16_384), "", "g"];
    for (const part of parts) upload.push(Buffer.from(part));
    upload.end();
    assert.equal((await readAll(upload)).text, parts.join(""));
  });

  it("grants what was taken, a chunk's worth at a time, and no more than that comes through", async () => {
    const { upload, granted, chunks } = open();
    const chunk = Buffer.alloc(FETCH_CHUNK_BYTES / 2);
    for (let bytes = 0; bytes < FETCH_WINDOW_BYTES; bytes += chunk.length) upload.push(chunk);
    assert.throws(() => upload.push(Buffer.from("x")), ProtocolError);
    const other = open();
    other.upload.push(chunk);
    await other.chunks.next();
    assert.deepEqual(other.granted, []);
    await chunks.next();
    await chunks.next();
    assert.deepEqual(granted, [FETCH_CHUNK_BYTES]);
  });

  it("refuses what comes after the end", () => {
    const { upload } = open();
    upload.end();
    assert.throws(() => upload.push(Buffer.from("x")), ProtocolError);
    assert.throws(() => upload.end(), ProtocolError);
  });

  it("drops what comes after it was closed, but for what is beyond the credit", async () => {
    const { upload, chunks } = open();
    const waiting = chunks.next();
    await chunks.return?.();
    assert.equal((await waiting).done, true);
    upload.push(Buffer.alloc(FETCH_WINDOW_BYTES));
    assert.throws(() => upload.push(Buffer.from("x")), ProtocolError);
    upload.end();
  });

  it("gives a short body whole, one that is longer than expected as far as it came, and none once closed", async () => {
    const whole = open().upload;
    const gathered = whole.whole(3);
    whole.push(Buffer.from("ab"));
    whole.push(Buffer.from("c"));
    whole.end();
    assert.equal(String(await gathered), "abc");
    const long = open().upload;
    const begun = long.whole(3);
    long.push(Buffer.from("abcd"));
    assert.equal(String(await begun), "abcd");
    const closed = open().upload;
    const never = closed.whole(3);
    closed.close();
    assert.equal(await never, undefined);
  });
});
