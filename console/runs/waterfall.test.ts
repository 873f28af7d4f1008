import assert from "node:assert/strict";
import { test } from "node:test";
import { spansOf } from "./waterfall.ts";

const at = (seconds: number) => new Date(1_800_000_000_000 + seconds * 1_000).toISOString();
const run = (given: object) =>
  ({
    state: "succeeded",
    scheduledFor: at(0),
    startedAt: null,
    finishedAt: null,
    attempt: 0,
    attempts: [],
    ...given,
  }) as never;
const told = (given: object, now = 60) =>
  spansOf(run(given), Date.parse(at(now))).map(({ name, tone, from, to }) => [
    name,
    tone,
    (to - from) / 1_000,
  ]);

const attempt = (number: number, from: number, to: number, code?: string) => ({
  ...{ attempt: number, startedAt: at(from), finishedAt: at(to) },
  error: code ? { code, message: code } : null,
});

test("a wait, a failed attempt, a back-off and one that went well", () => {
  const attempts = [attempt(1, 2, 3, "timeout"), attempt(2, 8, 9)];
  assert.deepEqual(told({ attempt: 2, startedAt: at(8), finishedAt: at(9), attempts }), [
    ...[
      ["Waited", "wait", 2],
      ["Attempt 1", "bad", 1],
      ["Back-off", "wait", 5],
      ["Attempt 2", "good", 1],
    ],
  ]);
});

test("a run under way lasts until now", () => {
  assert.deepEqual(told({ state: "running", attempt: 1, startedAt: at(1) }, 4), [
    ["Waited", "wait", 1],
    ["Attempt 1", "busy", 3],
  ]);
});

test("a run that waits has nothing but its wait, one that is not due nothing at all", () => {
  assert.deepEqual(told({ state: "queued" }, 5), [["Waited", "wait", 5]]);
  assert.deepEqual(told({ state: "scheduled", scheduledFor: at(90) }), []);
});

test("requests stand under their attempt, in the order in which they began", () => {
  const requests = [
    { method: "GET", host: "b.example", status: 503, afterMs: 500, tookMs: 250 },
    { method: "POST", host: "a.example", status: 201, afterMs: 100, tookMs: 650 },
  ];
  const attempts = [{ ...attempt(1, 0, 1), requests, moreRequests: 7 }];
  assert.deepEqual(told({ attempt: 1, startedAt: at(0), finishedAt: at(1), attempts }), [
    ["Attempt 1", "good", 1],
    ["POST a.example", "good", 0.65],
    ["GET b.example", "bad", 0.25],
    ["and 7 more requests", "wait", 0],
  ]);
});
