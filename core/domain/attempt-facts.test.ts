import assert from "node:assert/strict";
import { test } from "node:test";
import { type AttemptFacts, addRequest, MAX_RECORDED_REQUESTS } from "./attempt-facts.ts";

const request = { method: "GET", host: "example.com", status: 200, tookMs: 30 };

test("a request is told by when it began", () => {
  const facts: AttemptFacts = {};
  addRequest(facts, request, 100);
  addRequest(facts, request, 20);
  assert.deepEqual(
    facts.requests!.map(({ afterMs }) => afterMs),
    [70, 0],
  );
});

test("the first ones are kept, the others counted", () => {
  const facts: AttemptFacts = {};
  for (let sent = 0; sent < MAX_RECORDED_REQUESTS + 3; sent += 1) addRequest(facts, request, 100);
  assert.deepEqual([facts.requests!.length, facts.moreRequests], [MAX_RECORDED_REQUESTS, 3]);
});
