import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Hop, redirectHop } from "./redirect.ts";

const hop = (changes: Partial<Hop> = {}): Hop => ({
  url: new URL("https://a.example/start?x=1"),
  method: "POST",
  headers: { Authorization: "Bearer s", cookie: "c=1", "Content-Type": "text/plain", "x-own": "1" },
  body: "hello",
  ...changes,
});

describe("redirectHop", () => {
  it("turns 303, and 301 and 302 on a POST, into a GET without body", () => {
    for (const [status, method] of [
      [303, "POST"],
      [303, "PUT"],
      [301, "POST"],
      [302, "POST"],
    ] as const) {
      const next = redirectHop(hop({ method }), status, "/next");
      assert.deepEqual([next.method, next.body, next.url.href], ["GET", null, "https://a.example/next"]);
      assert.deepEqual(next.headers, { Authorization: "Bearer s", cookie: "c=1", "x-own": "1" });
    }
  });

  it("repeats method and body otherwise", () => {
    for (const [status, method] of [
      [307, "POST"],
      [308, "POST"],
      [301, "PUT"],
      [302, "DELETE"],
    ] as const) {
      const next = redirectHop(hop({ method }), status, "?y=2");
      assert.deepEqual(
        [next.method, next.body, next.url.href],
        [method, "hello", "https://a.example/start?y=2"],
      );
      assert.deepEqual(next.headers, hop().headers);
    }
    assert.equal(redirectHop(hop({ method: "HEAD", body: null }), 303, "/").method, "HEAD");
  });

  it("leaves credentials and unknown fields behind when host, port or scheme changes", () => {
    for (const location of ["https://b.example/", "https://a.example:8443/", "http://a.example/"]) {
      assert.deepEqual(redirectHop(hop(), 307, location).headers, { "Content-Type": "text/plain" }, location);
    }
  });

  it("takes no credentials from the target", () => {
    assert.equal(redirectHop(hop(), 307, "https://u:p@a.example/x#f").url.href, "https://a.example/x");
  });

  it("refuses targets that are no http(s) URL", () => {
    for (const location of ["file:///etc/passwd", "javascript:1", "http://", "ftp://a.example/"]) {
      assert.throws(
        () => redirectHop(hop(), 302, location),
        { name: "EgressError", code: "bad_redirect", retryable: false },
        location,
      );
    }
  });
});
