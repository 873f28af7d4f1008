import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MAX_MESSAGE_BYTES,
  type RunFacts,
  tellRun,
  tellUnfired,
  toEmail,
  toMessage,
} from "./callback-message.ts";

const facts = (run: object, event: RunFacts["event"] = "failed"): RunFacts => ({
  event,
  at: new Date("2026-03-01T12:00:00Z"),
  taskName: null,
  run: {
    ...{ id: "run-1", taskId: "task-1", type: "http", state: event },
    ...{ scheduledFor: "2026-03-01T11:59:59.000Z", ...run },
  },
});
const email = (of: RunFacts) => toEmail("ops@example.com", tellRun(of));
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
  const { subject, body } = email({ ...facts({ attempts: [1, 2], error }, "dead"), taskName: "nightly" });
  assert.equal(subject, 'A run of "nightly" failed and is a dead letter');
  assert.match(
    body!,
    /Run: run-1\nTask: task-1\nState: dead\n[\s\S]*Attempts: 2\nError: timeout: Too long\.\n$/,
  );
  assert.equal(email(facts({ attempts: [] }, "skipped")).subject, "A run of type http was skipped");
});

test("an e-mail of a late run says by when, one of an overrun how long, and neither that it has ended", () => {
  const dueAt = "2026-03-01T12:00:00.000Z";
  const late = email(facts({ attempts: [], state: "running", dueAt }, "late"));
  assert.equal(late.subject, "A run of type http has not succeeded in time");
  assert.match(
    late.body!,
    /State: running\n[\s\S]*Had to succeed by: 2026-03-01T12:00:00\.000Z\nAttempts: 0\n$/,
  );
  const overran = email(facts({ attempts: [], waitMs: 40, runMs: null }, "overran"));
  assert.match(overran.body!, /Waited: 40 ms\nAttempts: 0\n$/);
});

test("of an occurrence that has not fired, its task and its instants are told", () => {
  const [scheduledFor, dueAt] = [new Date("2026-03-01T11:00:00Z"), new Date("2026-03-01T12:00:00Z")];
  const told = tellUnfired({ taskId: "task-1", taskName: "nightly", scheduledFor, dueAt, at: dueAt });
  assert.deepEqual(told.message, {
    type: "bellhop.task.late",
    timestamp: "2026-03-01T12:00:00.000Z",
    data: {
      ...{ taskId: "task-1", name: "nightly" },
      ...{ scheduledFor: "2026-03-01T11:00:00.000Z", dueAt: "2026-03-01T12:00:00.000Z" },
    },
  });
  assert.equal(toEmail("ops@example.com", told).subject, '"nightly" has not fired');
});
