import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOtlpEndpoint, parsePairs } from "./otel-values.ts";
import { readSettings } from "./settings.ts";

test("an endpoint is a base URL", () => {
  assert.equal(parseOtlpEndpoint("http://collector:4318"), "http://collector:4318");
  assert.equal(parseOtlpEndpoint("https://otlp.example.com/otlp/"), "https://otlp.example.com/otlp");
  for (const wrong of ["collector:4318", "grpc://collector:4317", "nonsense", "http://a/?key=s3cret"])
    assert.throws(() => parseOtlpEndpoint(wrong), /^Error: (is not an http|holds a query)/);
});

test("pairs are decoded", () => {
  assert.deepEqual(parsePairs("authorization=Bearer%20abc=, x-team = ops ,"), {
    authorization: "Bearer abc=",
    "x-team": "ops",
  });
  for (const wrong of ["no-value", "=x", "a b=c", "a=%"])
    assert.throws(() => parsePairs(wrong), /is not a list|holds a value/);
});

test("a wrong setting ends the start with a sentence that holds no secret", () => {
  const read = (env: NodeJS.ProcessEnv) =>
    readSettings(
      [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_TRACES_SAMPLER_ARG",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
      ],
      env,
    );
  assert.throws(
    () => read({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://me:s3cret@collector" }),
    ({ message }: Error) =>
      /OTEL_EXPORTER_OTLP_ENDPOINT holds a user or password/.test(message) && !/s3cret/.test(message),
  );
  assert.throws(
    () => read({ OTEL_EXPORTER_OTLP_HEADERS: "s3cret" }),
    ({ message }: Error) =>
      /OTEL_EXPORTER_OTLP_HEADERS is not a list/.test(message) && !/s3cret/.test(message),
  );
  assert.throws(() => read({ OTEL_TRACES_SAMPLER_ARG: "2" }), /must be a number from 0 to 1/);
  assert.throws(() => read({ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }), /must be one of http\/json/);
});
