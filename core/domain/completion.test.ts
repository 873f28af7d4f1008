import assert from "node:assert/strict";
import { test } from "node:test";
import { failOverdue, findFirstCompleteBy, findNextCompleteBy, toAttemptEnd } from "./completion.ts";

const at = (seconds: number) => new Date(seconds * 1_000);

test("an attempt that was put off waits until its deadline; without one, for its task's timeout", () => {
  assert.deepEqual(findFirstCompleteBy(at(10), { timeoutMs: 30_000, deadlineAt: null }), at(40));
  assert.deepEqual(findFirstCompleteBy(at(10), { timeoutMs: 30_000, deadlineAt: at(60) }), at(60));
  assert.deepEqual(findFirstCompleteBy(at(10), { timeoutMs: 90_000, deadlineAt: at(60) }), at(60));
});

test("after a heartbeat it waits for its task's timeout, and never beyond the deadline", () => {
  assert.deepEqual(findNextCompleteBy(at(10), { timeoutMs: 30_000, deadlineAt: null }), at(40));
  assert.deepEqual(findNextCompleteBy(at(10), { timeoutMs: 30_000, deadlineAt: at(60) }), at(40));
  assert.deepEqual(findNextCompleteBy(at(40), { timeoutMs: 30_000, deadlineAt: at(60) }), at(60));
  assert.deepEqual(findNextCompleteBy(at(70), { timeoutMs: 30_000, deadlineAt: at(60) }), at(60));
});

test("one that nobody completed may be tried again, but where the deadline was what it waited for", () => {
  const timedOut = failOverdue(at(40), { timeoutMs: 30_000, deadlineAt: at(60) });
  assert.ok(timedOut.kind === "failed");
  assert.deepEqual([timedOut.error.code, timedOut.retryable], ["completion_timeout", true]);
  assert.match(timedOut.error.message, /sent nothing for 30s/);
  const late = failOverdue(at(60), { timeoutMs: 30_000, deadlineAt: at(60) });
  assert.ok(late.kind === "failed");
  assert.deepEqual([late.error.code, late.retryable], ["deadline_exceeded", false]);
});

test("what is said of it becomes the attempt's end", () => {
  assert.deepEqual(toAttemptEnd({ result: null }), { kind: "succeeded", result: null });
  assert.deepEqual(toAttemptEnd({ error: { message: "no", retryable: true } }), {
    kind: "failed",
    error: { code: "reported_failure", message: "no" },
    retryable: true,
  });
  assert.deepEqual(
    toAttemptEnd({ error: { message: "no", code: "empty", details: [1], retryable: false } }),
    {
      kind: "failed",
      error: { code: "reported_failure", message: "no", details: { code: "empty", details: [1] } },
      retryable: false,
    },
  );
});
