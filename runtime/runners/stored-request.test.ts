import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallerStream } from "../../core/contracts/call-stream.ts";
import { succeeded } from "../../core/domain/attempt.ts";
import type { StoredRequest } from "../../core/domain/stored-request.ts";
import type { Json } from "../../core/json.ts";
import { claimedRun } from "../testing/claimed-run.ts";
import { openStoredCall, storedRequestOf } from "./stored-request.ts";

const request: StoredRequest = { method: "POST", url: "http://a/", headers: [["a", "b"]], body: "" };

function open(given: Partial<StoredRequest>, maxBytes = 1_000) {
  const call = openStoredCall({ ...request, ...given }, maxBytes);
  const fed: string[] = [];
  const feed: CallerStream = {
    data: (bytes) => void fed.push(`data ${bytes.byteLength}`),
    end: () => void fed.push("end"),
    pull: (bytes) => void fed.push(`pull ${bytes}`),
    leave: () => void fed.push("leave"),
  };
  call.http.onOpen(feed);
  return { ...call, fed };
}

test("the body is fed as far as it is granted", () => {
  const { http, fed } = open({ body: Buffer.alloc(300_000).toString("base64") });
  assert.equal(http.head.hasBody, true);
  assert.deepEqual(fed, ["data 262144"]);
  http.onPull(30_000);
  http.onPull(100_000);
  assert.deepEqual(fed, ["data 262144", "data 30000", "data 7856", "end"]);
  assert.equal(open({}).http.head.hasBody, false);
});

test("a response is gathered, as text or as base64", () => {
  const whole = open({});
  const result = { status: 201, headers: [["x", "y"]], body: "é" };
  assert.deepEqual(whole.toOutcome(succeeded(result)), succeeded({ ...result, isBase64: false }));
  const withNull = open({}).toOutcome(succeeded({ ...result, body: "a\0b" }));
  assert.deepEqual(withNull, succeeded({ ...result, body: "YQBi", isBase64: true }));
  const streamed = open({});
  streamed.http.onHead({ status: 200, headers: [["x", "y"]] });
  streamed.http.onData(Uint8Array.of(0xff, 1));
  assert.deepEqual(streamed.fed, ["pull 2"]);
  assert.deepEqual(streamed.toOutcome(succeeded({ status: 200, bodyBytes: 2 })), {
    kind: "succeeded",
    result: { status: 200, headers: [["x", "y"]], body: "/wE=", isBase64: true },
  });
});

test("one that is too large is let go and fails", () => {
  const { http, fed, toOutcome } = open({}, 3);
  http.onHead({ status: 200, headers: [] });
  http.onData(new Uint8Array(4));
  assert.deepEqual(fed, ["leave"]);
  const outcome = toOutcome(succeeded({ status: 200, bodyBytes: 4 }));
  assert.equal(outcome.kind === "failed" && outcome.error.code, "result_too_large");
});

test("a request is found in runs that came by HTTP alone, and told where it was not kept", () => {
  const run = (trigger: "http" | "hook" | "invoke", input: unknown) =>
    claimedRun({ trigger, spec: { type: "function", function: "f", input: input as Json } });
  assert.deepEqual(storedRequestOf(run("http", { request })), request);
  assert.deepEqual(storedRequestOf(run("hook", { request })), request);
  assert.equal(storedRequestOf(run("invoke", { request })), undefined);
  assert.equal(storedRequestOf(run("http", { request: { method: "GET", url: "http://a/" } })), "gone");
  assert.equal(storedRequestOf(run("http", null)), "gone");
});
