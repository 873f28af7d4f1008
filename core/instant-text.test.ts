import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstantReader, createInstantWriter } from "./instant-text.ts";

test("instants are written and read one after the other, whichever was before", () => {
  const [write, read] = [createInstantWriter(), createInstantReader()];
  for (const ms of [0, 0, 1, 1_700_000_000_123, 1, 1]) {
    const text = new Date(ms).toISOString();
    assert.equal(write(new Date(ms)), text);
    assert.equal(read(text).getTime(), ms);
  }
  assert.throws(() => write(new Date(Number.NaN)), RangeError);
  assert.equal(write(new Date(1)), "1970-01-01T00:00:00.001Z");
});

test("who changes a date that was read changes no other", () => {
  const read = createInstantReader();
  const text = "2026-01-01T00:00:00.000Z";
  read(text).setTime(0);
  assert.equal(read(text).toISOString(), text);
});
