import assert from "node:assert/strict";
import { test } from "node:test";
import { toFnResponse } from "./response.ts";

test("a function's headers go to its caller, but for what the server says itself and what would reach beyond its URL", () => {
  const headers: [string, string][] = [
    ["Content-Type", "text/html"],
    ["Service-Worker-Allowed", "/"],
    ["Content-Length", "7"],
  ];
  const response = toFnResponse({ status: 200, headers }, "<p>hi", "run-1");
  assert.deepEqual(
    [...response.headers],
    [
      ["bellhop-run-id", "run-1"],
      ["content-type", "text/html"],
    ],
  );
});

test("a stream's length is the head's, and so is that of what a HEAD is not sent; an odd one is dropped", () => {
  const lengthIn = (value: string, body: ReadableStream<Uint8Array> | null, status = 200) =>
    toFnResponse({ status, headers: [["Content-Length", value]] }, body, "run-1").headers.get(
      "content-length",
    );
  const stream = () => new ReadableStream<Uint8Array>();
  assert.equal(lengthIn("7", stream()), "7");
  assert.equal(lengthIn("7", null), "7");
  assert.equal(lengthIn("7", null, 204), null);
  for (const odd of ["-1", "1, 1", "0x10", "9".repeat(16), ""])
    assert.equal(lengthIn(odd, stream()), null, odd);
  const twice: [string, string][] = [
    ["content-length", "1"],
    ["Content-Length", "2"],
  ];
  const response = toFnResponse({ status: 200, headers: twice }, stream(), "run-1");
  assert.equal(response.headers.get("content-length"), null);
});
