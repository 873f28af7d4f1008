import assert from "node:assert/strict";
import { test } from "node:test";
import { JsonSource } from "../json-source.ts";
import type { DirectCall, DirectOutcome } from "./direct-call.ts";
import {
  putBodyIntoOutcome,
  putPayloadIntoCall,
  takeBodyOfCall,
  takeBodyOfOutcome,
  takeInputOfCall,
} from "./direct-payloads.ts";

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
    assert.deepEqual(putPayloadIntoCall(overTheWire(message), payload), call);
  }
});

test("a call without a body, or with one that follows, has no payload", () => {
  for (const call of [CALL, { ...CALL, http: { ...HEAD, hasBody: true } }]) {
    const { message, payload } = takeBodyOfCall(call);
    assert.deepEqual([message, payload], [call, undefined]);
    assert.deepEqual(putPayloadIntoCall(overTheWire(message), payload), call);
  }
});

test("a long input comes as its text, a short one within its call", () => {
  const input = { text: "x".repeat(2_000) };
  const { message, payload } = takeInputOfCall({ ...CALL, input });
  assert.deepEqual([message, payload], [CALL, JSON.stringify(input)]);
  assert.deepEqual(putPayloadIntoCall(overTheWire(message), payload), {
    ...CALL,
    input: new JsonSource(payload!),
  });
  const call = { ...CALL, input: { a: 1 } };
  assert.deepEqual(takeInputOfCall(call), { message: call, payload: undefined });
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
