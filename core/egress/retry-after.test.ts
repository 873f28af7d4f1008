import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseRetryAfter } from "./retry-after.ts";

const now = new Date("2026-03-01T12:00:00Z");

describe("parseRetryAfter", () => {
  it("reads seconds", () => {
    assert.equal(parseRetryAfter("120", now), 120_000);
    assert.equal(parseRetryAfter(" 0 ", now), 0);
  });

  it("takes any number of digits for a very long time", () => {
    for (const digits of [13, 20, 400])
      assert.ok(parseRetryAfter("9".repeat(digits), now)! >= 9_007_199_254_740_991, `${digits} digits`);
  });

  it("reads the three forms of an HTTP date", () => {
    assert.equal(parseRetryAfter("Sun, 01 Mar 2026 12:01:30 GMT", now), 90_000);
    assert.equal(parseRetryAfter("Sunday, 01-Mar-26 12:01:30 GMT", now), 90_000);
    assert.equal(parseRetryAfter("Sun Mar  1 12:01:30 2026", now), 90_000);
  });

  it("takes a past date for now", () => {
    assert.equal(parseRetryAfter("Sun, 01 Mar 2020 12:00:00 GMT", now), 0);
  });

  it("ignores whatever else stands there", () => {
    for (const value of [
      undefined,
      "",
      "soon",
      "-5",
      "1.5",
      "1e9",
      "2026-03-01T13:00:00Z",
      "Mon, nonsense",
    ]) {
      assert.equal(parseRetryAfter(value, now), undefined, String(value));
    }
  });
});
