import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Hop, isFollowed, redirectHop } from "./redirect.ts";

const hop = (changes: Partial<Hop> = {}): Hop => ({
  url: new URL("https://a.example/start?x=1"),
  method: "POST",
  headers: { Authorization: "Bearer s", cookie: "c=1", "Content-Type": "text/plain", "x-own": "1" },
  body: "hello",
  ...changes,
});

describe("isFollowed", () => {
  it("follows by `true` what keeps method and body, by `as-get` all, by `false` nothing", () => {
    for (const status of [301, 302, 303, 307, 308]) {
      for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
        const keeps = status >= 307 || method === "GET" || method === "HEAD";
        const followed = ([true, "as-get", false] as const).map((follow) =>
          isFollowed(follow, status, method),
        );
        assert.deepEqual(followed, [keeps, true, false], `${method} ${status}`);
      }
    }
  });
});

describe("redirectHop", () => {
  it("turns 301, 302 and 303 into a GET without body; for a fetch 301 and 302 on a POST alone", () => {
    for (const [status, method, rule] of [
      [301, "POST", "task"],
      [302, "PUT", "task"],
      [303, "PATCH", "task"],
      [301, "DELETE", "task"],
      [303, "PUT", "fetch"],
      [301, "POST", "fetch"],
      [302, "POST", "fetch"],
    ] as const) {
      const next = redirectHop(hop({ method }), status, "/next", rule);
      assert.deepEqual([next.method, next.body, next.url.href], ["GET", null, "https://a.example/next"]);
      assert.deepEqual(next.headers, { Authorization: "Bearer s", cookie: "c=1", "x-own": "1" });
    }
  });

  it("repeats method and body otherwise", () => {
    for (const [status, method, rule] of [
      [307, "POST", "task"],
      [308, "PUT", "task"],
      [307, "POST", "fetch"],
      [301, "PUT", "fetch"],
      [302, "DELETE", "fetch"],
    ] as const) {
      const next = redirectHop(hop({ method }), status, "?y=2", rule);
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
