import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FETCH_CHUNK_BYTES, FETCH_WINDOW_BYTES } from "../../protocol/fetch-messages.ts";
import { readFetchAsk } from "./read-fetch-ask.ts";

const HEAD = {
  method: "GET",
  url: "https://example.com/",
  headers: [["a", "b"]],
  redirect: "follow",
  hasBody: false,
};
const base64 = (bytes: number) => Buffer.alloc(bytes).toString("base64");

describe("readFetchAsk", () => {
  const asks = [
    { t: "fetch", id: 1, no: 1, head: HEAD },
    { t: "fetch-data", id: 1, no: 2, base64: "" },
    { t: "fetch-data", id: 1, no: 2, base64: base64(FETCH_CHUNK_BYTES) },
    { t: "fetch-body-end", id: 1, no: 2 },
    { t: "fetch-pull", id: 1, no: 2, bytes: FETCH_WINDOW_BYTES },
    { t: "fetch-read", id: 1, no: 2 },
    { t: "fetch-cancel", id: 1, no: 2 },
  ];
  for (const ask of asks) {
    it(`takes ${ask.t}, and of it the known fields alone`, () => {
      assert.deepEqual(readFetchAsk({ ...ask, more: 1 }), ask);
    });
  }

  const refused: Record<string, Record<string, unknown>> = {
    "another kind": { t: "fetch-head", id: 1, no: 1 },
    "no kind": { id: 1, no: 1 },
    "a run that is no number": { t: "fetch-cancel", id: "1", no: 1 },
    "a fetch 0": { t: "fetch-cancel", id: 1, no: 0 },
    "a fetch 1.5": { t: "fetch-cancel", id: 1, no: 1.5 },
    "a fetch beyond what is counted exactly": { t: "fetch-cancel", id: 1, no: 2 ** 53 },
    "no head": { t: "fetch", id: 1, no: 1 },
    "a head that is null": { t: "fetch", id: 1, no: 1, head: null },
    "an empty method": { t: "fetch", id: 1, no: 1, head: { ...HEAD, method: "" } },
    "a long method": { t: "fetch", id: 1, no: 1, head: { ...HEAD, method: "X".repeat(101) } },
    "a URL that is no text": { t: "fetch", id: 1, no: 1, head: { ...HEAD, url: {} } },
    "headers that are an object": { t: "fetch", id: 1, no: 1, head: { ...HEAD, headers: {} } },
    "a header of one part": { t: "fetch", id: 1, no: 1, head: { ...HEAD, headers: [["a"]] } },
    "a header's value that is a number": { t: "fetch", id: 1, no: 1, head: { ...HEAD, headers: [["a", 1]] } },
    "too many headers": {
      t: "fetch",
      id: 1,
      no: 1,
      head: { ...HEAD, headers: Array(10_001).fill(["a", "b"]) },
    },
    "an unknown redirect mode": { t: "fetch", id: 1, no: 1, head: { ...HEAD, redirect: "toString" } },
    "a body that may be": { t: "fetch", id: 1, no: 1, head: { ...HEAD, hasBody: 1 } },
    "no chunk": { t: "fetch-data", id: 1, no: 1 },
    "a chunk that is no base64": { t: "fetch-data", id: 1, no: 1, base64: "a-b_" },
    "a chunk cut off": { t: "fetch-data", id: 1, no: 1, base64: "YWI" },
    "a chunk too large": { t: "fetch-data", id: 1, no: 1, base64: base64(FETCH_CHUNK_BYTES + 1) },
    "no credit": { t: "fetch-pull", id: 1, no: 1, bytes: 0 },
    "negative credit": { t: "fetch-pull", id: 1, no: 1, bytes: -1 },
    "credit beyond the window": { t: "fetch-pull", id: 1, no: 1, bytes: FETCH_WINDOW_BYTES + 1 },
    "credit that is null": { t: "fetch-pull", id: 1, no: 1, bytes: null },
  };
  for (const what in refused) {
    it(`refuses ${what}`, () => assert.equal(readFetchAsk(refused[what]!), undefined));
  }
});
