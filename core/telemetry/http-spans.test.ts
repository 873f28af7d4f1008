import assert from "node:assert/strict";
import { test } from "node:test";
import { createSpanRecorder } from "../../test/support/recorded-spans.ts";
import { describeCallAnswer, startCallSpan } from "./http-spans.ts";
import { NO_SPAN } from "./tracing.ts";

const { start } = createSpanRecorder();

test("a call's span tells the host and no more of its URL", () => {
  const span = startCallSpan(
    start(),
    "put",
    "https://user:s3cret@example.com/s3cret?key=s3cret#s3cret",
  ) as ReturnType<typeof start>;
  assert.deepEqual([span.name, span.kind], ["PUT", "client"]);
  assert.deepEqual(span.attributes, {
    "http.request.method": "PUT",
    "url.scheme": "https",
    "server.address": "example.com",
    "server.port": 443,
  });
});

test("what nobody knows as a method is _OTHER; what is no URL has no host", () => {
  const span = startCallSpan(start(), "s3cret", "nonsense") as ReturnType<typeof start>;
  assert.equal(span.name, "_OTHER");
  assert.equal(span.attributes["server.address"], undefined);
});

test("an answer from 400 on is an error", () => {
  for (const [status, errorType] of [
    [204, undefined],
    [302, undefined],
    [404, "404"],
    [503, "503"],
  ] as const) {
    const span = start();
    describeCallAnswer(span, status);
    assert.deepEqual([span.attributes["http.response.status_code"], span.errorType], [status, errorType]);
  }
});

test("where nothing is traced nothing is made", () => {
  assert.equal(startCallSpan(NO_SPAN, "GET", "https://example.com"), NO_SPAN);
});
