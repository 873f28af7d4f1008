import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { parseTimestamp, TYPES } from "./timestamps.ts";

const at = (text: string) => (parseTimestamp(text) as Date).toISOString();

test("instants of a session in UTC are read to the millisecond, rounded down", () => {
  assert.equal(at("2026-01-02 03:04:05.678901+00"), "2026-01-02T03:04:05.678Z");
  assert.equal(at("2026-12-31 23:59:59.9999+00"), "2026-12-31T23:59:59.999Z");
  assert.equal(at("2026-01-02 03:04:05.6+00"), "2026-01-02T03:04:05.600Z");
  assert.equal(at("2026-01-02 03:04:05.07+00"), "2026-01-02T03:04:05.070Z");
  assert.equal(at("1969-12-31 23:59:59+00"), "1969-12-31T23:59:59.000Z");
});

test("what is written otherwise is read as the driver reads it", () => {
  assert.equal(at("2026-01-02 03:04:05.678+05:30"), "2026-01-01T21:34:05.678Z");
  assert.equal(at("2026-01-02 03:04:05-08"), "2026-01-02T11:04:05.000Z");
  assert.equal(at("12026-01-02 03:04:05+00"), "+012026-01-02T03:04:05.000Z");
  assert.equal(at("0099-01-02 03:04:05+00"), "0099-01-02T03:04:05.000Z");
  assert.equal(at("0044-03-15 12:00:00+00 BC"), "-000043-03-15T12:00:00.000Z");
  assert.equal(parseTimestamp("infinity"), Infinity);
  assert.equal(parseTimestamp("-infinity"), -Infinity);
});

test("all other types are read as the driver reads them", () => {
  const { JSONB, INT4, TIMESTAMP } = pg.types.builtins;
  for (const type of [JSONB, INT4, TIMESTAMP])
    assert.equal(TYPES.getTypeParser(type), pg.types.getTypeParser(type));
});
