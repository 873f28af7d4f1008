import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../core/json.ts";
import { JsonSource } from "../core/json-source.ts";
import { estimateBytes, estimateSpecBytes } from "./attempt-bytes.ts";
import { MAX_RESULT_DEPTH } from "./sandbox/parent/outcome.ts";
import { claimedRun, finishedAttempt } from "./testing/claimed-run.ts";

const bytesOf = (result: Json) => estimateBytes(finishedAttempt({ verdict: { state: "succeeded", result } }));

test("a run's bytes are those of its result, its log lines, and what its task gave it", () => {
  const text = "x".repeat(10_000);
  assert.ok(bytesOf([text]) >= 10_000);
  const spec = { type: "function", function: "f", input: { text } } as const;
  assert.ok(estimateSpecBytes(spec) >= 10_000);
  const { spec: http } = claimedRun();
  assert.ok(http.type === "http" && estimateSpecBytes({ ...http, body: { text } }) >= 10_000);
  assert.ok(estimateSpecBytes({ ...http, body: new JsonSource(JSON.stringify(text)) }) >= 10_000);
});

test("a result counts however deep it is nested, and with its escapes", () => {
  const nest = (value: Json, levels: number): Json => (levels === 0 ? value : nest([value], levels - 1));
  for (const levels of [150, MAX_RESULT_DEPTH - 1]) {
    for (const inner of ["x".repeat(10_000), Array.from({ length: 5_000 }, () => 7)])
      assert.ok(bytesOf(nest(inner, levels)) >= 10_000, `${levels} levels`);
  }
  assert.ok(bytesOf("\u0001".repeat(10_000)) >= 60_000);
  assert.ok(bytesOf({ ['"'.repeat(10_000)]: 1 }) >= 20_000);
});
