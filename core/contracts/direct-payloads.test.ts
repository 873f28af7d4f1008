import assert from "node:assert/strict";
import { test } from "node:test";
import type { DirectCall, DirectOutcome } from "./direct-call.ts";
import { putBodyIntoCall, putBodyIntoOutcome, takeBodyOfCall, takeBodyOfOutcome } from "./direct-payloads.ts";

const overTheWire = <T>(message: T): T => JSON.parse(JSON.stringify(message));

const CALL: DirectCall = {
  ...{ runId: "run", namespaceId: "ns", functionId: "fn", functionName: "f", revisionId: "rev" },
  ...{ isLimited: false, input: null },
};
const HEAD = { method: "POST", url: "http://a/", headers: [], hasBody: false };

test("a call comes as it went, its body apart", () => {
  for (const body of ["", '{"a":1}']) {
    const call = { ...CALL, http: { ...HEAD, body } };
    const { message, payload } = takeBodyOfCall(call);
    assert.equal(payload, body);
    assert.deepEqual(message.http, HEAD);
    assert.deepEqual(putBodyIntoCall(overTheWire(message), payload), call);
  }
});

test("a call without a body, or with one that follows, has no payload", () => {
  for (const call of [CALL, { ...CALL, http: { ...HEAD, hasBody: true } }]) {
    const { message, payload } = takeBodyOfCall(call);
    assert.deepEqual([message, payload], [call, undefined]);
    assert.deepEqual(putBodyIntoCall(overTheWire(message), payload), call);
  }
});

test("an outcome comes as it went, its fields in their order", () => {
  const withText: DirectOutcome = { state: "succeeded", result: { body: '"text"', status: 200 } };
  const outcomes: DirectOutcome[] = [
    withText,
    { state: "succeeded", result: { body: { a: 1 } } },
    ...[null, "text", ["body"], {}].map((result): DirectOutcome => ({ state: "succeeded", result })),
    { state: "failed", error: { code: "function_error", message: "body" } },
    { state: "cancelled" },
  ];
  for (const outcome of outcomes) {
    const { message, payload } = takeBodyOfOutcome(outcome);
    assert.equal(payload, outcome === withText ? '"text"' : undefined);
    const came = putBodyIntoOutcome(overTheWire(message), payload);
    assert.equal(JSON.stringify(came), JSON.stringify(outcome));
  }
  assert.equal(JSON.stringify(withText), '{"state":"succeeded","result":{"body":"\\"text\\"","status":200}}');
});
