import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { readLines } from "./read-lines.ts";

const linesOf = async (chunks: (string | Buffer)[]) => {
  const lines: string[] = [];
  for await (const line of readLines(Readable.from(chunks), new AbortController().signal)) lines.push(line);
  return lines;
};

test("a line ends at its line feed, in whatever pieces it comes, and nowhere else", async () => {
  assert.deepEqual(await linesOf(["a\nb", "c\n", "\nd"]), ["a", "bc", "", "d"]);
  assert.deepEqual(await linesOf(['"a\u2028b\u2029c"\r\n']), ['"a\u2028b\u2029c"\r']);
  assert.deepEqual(await linesOf([Buffer.from([0xc3]), Buffer.from([0xa9, 0x0a])]), ["é"]);
  assert.deepEqual(await linesOf([]), []);
});

test("it ends with its signal", async () => {
  const stop = new AbortController();
  const input = new PassThrough();
  input.write("a\n");
  const lines: string[] = [];
  for await (const line of readLines(input, stop.signal)) {
    lines.push(line);
    stop.abort();
  }
  assert.deepEqual(lines, ["a"]);
});
