import assert from "node:assert/strict";
import { test } from "node:test";
import { JsonSource } from "../core/json-source.ts";
import { estimateBytes, estimateSpecBytes } from "./attempt-bytes.ts";
import { claimedRun, finishedAttempt } from "./testing/claimed-run.ts";

test("a run's bytes are those of its result, its log lines, and what its task gave it", () => {
  const text = "x".repeat(10_000);
  const withResult = finishedAttempt({ verdict: { state: "succeeded", result: [text] } });
  assert.ok(estimateBytes(withResult) - estimateBytes(finishedAttempt()) >= 10_000);
  const spec = { type: "function", function: "f", input: { text } } as const;
  assert.ok(estimateSpecBytes(spec) >= 10_000);
  const { spec: http } = claimedRun();
  assert.ok(http.type === "http" && estimateSpecBytes({ ...http, body: { text } }) >= 10_000);
  assert.ok(estimateSpecBytes({ ...http, body: new JsonSource(JSON.stringify(text)) }) >= 10_000);
});
