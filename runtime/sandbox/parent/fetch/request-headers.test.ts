import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { USER_AGENT } from "../../../../core/egress/user-agent.ts";
import { announcedBytes, requestHeaders } from "./request-headers.ts";

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const DEFAULTS = {
  "user-agent": USER_AGENT,
  accept: "*/*",
  "accept-encoding": "gzip, deflate",
  traceparent: TRACE,
};

describe("requestHeaders", () => {
  it("adds what the author left out", () => {
    assert.deepEqual(requestHeaders([["X-Own", "1"]], TRACE), { "X-Own": "1", ...DEFAULTS });
  });

  it("leaves what the author set, his trace too", () => {
    const own: [string, string][] = [
      ["User-Agent", "own"],
      ["Accept", "text/html"],
      ["Accept-Encoding", "identity"],
      ["TraceParent", "00-own"],
    ];
    assert.deepEqual(requestHeaders(own, TRACE), Object.fromEntries(own));
  });

  it("joins what is repeated, whatever its name", () => {
    const headers = requestHeaders(
      [
        ["X-Own", "1"],
        ["x-own", "2"],
        ["cookie", "a=1"],
        ["Cookie", "b=2"],
        ["constructor", "3"],
      ],
      TRACE,
    );
    assert.deepEqual(headers, { "X-Own": "1, 2", cookie: "a=1; b=2", constructor: "3", ...DEFAULTS });
  });

  it("asks for no encoding of a part, and speaks for no task", () => {
    const headers = requestHeaders(
      [
        ["Range", "bytes=0-1"],
        ["Bellhop-Run-Id", "forged"],
      ],
      TRACE,
    );
    assert.equal(headers["accept-encoding"], "identity");
    assert.equal(headers["Bellhop-Run-Id"], undefined);
  });
});

describe("announcedBytes", () => {
  it("is the one length that is said", () => {
    assert.equal(announcedBytes([["Content-Length", "12"]]), 12);
    for (const value of ["", "-1", "1.5", "1e3", "0x10", "9".repeat(16), "1, 1"]) {
      assert.equal(announcedBytes([["content-length", value]]), undefined, value);
    }
    assert.equal(announcedBytes([]), undefined);
    const twice: [string, string][] = [
      ["content-length", "1"],
      ["content-length", "2"],
    ];
    assert.equal(announcedBytes(twice), undefined);
  });
});
