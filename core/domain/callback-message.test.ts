import assert from "node:assert/strict";
import { test } from "node:test";
import { type EndedFacts, MAX_MESSAGE_BYTES, toEmail, toMessage } from "./callback-message.ts";

const facts = (run: object, state: EndedFacts["state"] = "failed"): EndedFacts => ({
  state,
  endedAt: new Date("2026-03-01T12:00:00Z"),
  taskName: null,
  run: { id: "run-1", taskId: "task-1", type: "http", scheduledFor: "2026-03-01T11:59:59.000Z", ...run },
});
const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
const dataOf = (run: object) => toMessage(facts(run))["data"] as Record<string, unknown>;

test("a message holds the run as it is, and says where it had to leave something out", () => {
  const short = { result: "short", attempts: [{ attempt: 1 }], error: null };
  assert.deepEqual(toMessage(facts(short)), {
    type: "bellhop.run.failed",
    timestamp: "2026-03-01T12:00:00.000Z",
    data: facts(short).run,
  });
  const long = "ü".repeat(MAX_MESSAGE_BYTES / 2);
  const error = { code: "function_error", message: "It broke.", details: null as unknown };
  const withoutResult = dataOf({ result: long, attempts: [{ attempt: 1 }], error });
  assert.deepEqual(
    [withoutResult["result"], withoutResult["attempts"], withoutResult["truncated"]],
    [null, [{ attempt: 1 }], true],
  );
  const withoutAttempts = dataOf({ result: 1, attempts: [long], error });
  assert.deepEqual([withoutAttempts["attempts"], withoutAttempts["error"]], [[], error]);
  const least = dataOf({ result: 1, attempts: [], error: { ...error, details: long } });
  assert.deepEqual(least["error"], { code: "function_error", message: "It broke." });
  for (const data of [withoutResult, withoutAttempts, least]) assert.ok(bytesOf(data) <= MAX_MESSAGE_BYTES);
});

test("an e-mail says what became of what, and why", () => {
  const error = { code: "timeout", message: "Too long." };
  const { subject, body } = toEmail("ops@example.com", {
    ...facts({ attempts: [1, 2], error }, "dead"),
    taskName: "nightly",
  });
  assert.equal(subject, 'A run of "nightly" failed and is a dead letter');
  assert.match(
    body!,
    /Run: run-1\nTask: task-1\nState: dead\n[\s\S]*Attempts: 2\nError: timeout: Too long\.\n$/,
  );
  assert.equal(
    toEmail("a@b.c", facts({ attempts: [] }, "skipped")).subject,
    "A run of type http was skipped",
  );
});
