import assert from "node:assert/strict";
import { test } from "node:test";
import { type AttemptEnd, failed, succeeded } from "./attempt.ts";
import {
  type Backoff,
  backoffMs,
  decideVerdict,
  MAX_RETRY_AFTER_MS,
  type RetriedFailure,
  type RetryPolicy,
} from "./retry.ts";

const policy = (jitter: boolean): RetryPolicy => ({
  maxAttempts: 3,
  backoff: { initialMs: 1_000, factor: 2, maxMs: 10_000, jitter },
});
const now = new Date("2026-01-01T00:00:00.000Z");
const facts = (attempt: number, deadLetter = true) => ({
  ...{ attempt, retry: policy(false), deadLetter },
  deadlineAt: null,
});
const flaky = failed("http_status", "The server answered 503.", { retryable: true });

/** How long after `now` the verdict tries again. */
function waitOf(verdict: ReturnType<typeof decideVerdict>): number {
  assert.ok(verdict.state === "scheduled");
  return verdict.availableAt.getTime() - now.getTime();
}

test("without jitter the wait grows by the factor up to the cap", () => {
  const waits = [1, 2, 3, 4, 5, 60, 2_000].map((attempt) => backoffMs(policy(false), attempt));
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
});

test("jitter takes at most half away, and never more than the random number says", () => {
  for (const attempt of [1, 2, 3, 4, 5, 60]) {
    const full = backoffMs(policy(false), attempt);
    assert.equal(
      backoffMs(policy(true), attempt, () => 0),
      full / 2,
    );
    assert.equal(
      backoffMs(policy(true), attempt, () => 0.5),
      full * 0.75,
    );
    assert.ok(backoffMs(policy(true), attempt, () => 0.999_999) <= full);
    const drawn = Array.from({ length: 50 }, () => backoffMs(policy(true), attempt));
    assert.ok(drawn.every((ms) => ms >= full / 2 && ms <= full));
    assert.ok(new Set(drawn).size > 1, "real randomness spreads");
  }
});

test("success and cancel end the run whatever the attempt", () => {
  assert.deepEqual(decideVerdict(succeeded({ ok: 1 }), facts(3), now), {
    state: "succeeded",
    result: { ok: 1 },
  });
  assert.deepEqual(decideVerdict({ kind: "cancelled" }, facts(1), now), { state: "cancelled" });
});

test("a retryable failure is tried again after the backoff, until the attempts are used up", () => {
  assert.equal(waitOf(decideVerdict(flaky, facts(1), now)), 1_000);
  assert.equal(waitOf(decideVerdict(flaky, facts(2), now)), 2_000);
  assert.equal(decideVerdict(flaky, facts(3), now).state, "dead");
  assert.equal(decideVerdict(flaky, facts(4), now).state, "dead");
});

test("what is used up or hopeless waits in the dead letters, or fails where these are off", () => {
  const hopeless = failed("http_status", "The server answered 404.", {
    retryable: false,
    result: { status: 404 },
  });
  const error = { code: "http_status", message: "The server answered 404." };
  assert.deepEqual(decideVerdict(hopeless, facts(1), now), { state: "dead", error, result: { status: 404 } });
  assert.deepEqual(decideVerdict(hopeless, facts(1, false), now), {
    state: "failed",
    error,
    result: { status: 404 },
  });
  const usedUp = decideVerdict(flaky, facts(3, false), now);
  assert.equal(usedUp.state, "failed");
  assert.ok(!("result" in usedUp), "no result is invented");
});

test("Retry-After lengthens the wait, never shortens it, and is obeyed for a day at most", () => {
  const busy = (retryAfterMs: number) => failed("http_status", "429", { retryable: true, retryAfterMs });
  assert.equal(waitOf(decideVerdict(busy(60_000), facts(1), now)), 60_000);
  assert.equal(waitOf(decideVerdict(busy(10), facts(1), now)), 1_000);
  assert.equal(waitOf(decideVerdict(busy(10 * MAX_RETRY_AFTER_MS), facts(1), now)), 86_400_000);
  assert.equal(decideVerdict(busy(60_000), facts(3), now).state, "dead", "it brings no further attempt");
});

test("a linear wait grows by its first one up to the cap; a list says each, its last one what follows", () => {
  const waitsOf = (backoff: Backoff, attempts: number[]) =>
    attempts.map((attempt) => backoffMs({ maxAttempts: 9, backoff }, attempt));
  const linear = { kind: "linear", initialMs: 1_000, maxMs: 3_500, jitter: false } as const;
  assert.deepEqual(waitsOf(linear, [1, 2, 3, 4, 99]), [1_000, 2_000, 3_000, 3_500, 3_500]);
  const list: Backoff = { kind: "list", waitsMs: [60_000, 300_000, 5], jitter: false };
  assert.deepEqual(waitsOf(list, [1, 2, 3, 4, 99]), [60_000, 300_000, 5, 5, 5]);
  assert.equal(
    backoffMs({ maxAttempts: 9, backoff: { ...list, jitter: true } }, 1, () => 0),
    30_000,
  );
  const named = { kind: "exponential", ...policy(false).backoff } as Backoff;
  assert.deepEqual(waitsOf(named, [1, 2]), [1_000, 2_000]);
});

test("retry.on says which failures are tried again, and the others fail at once", () => {
  const answered = (status: number, retryable = status >= 500) =>
    failed("http_status", String(status), { retryable, details: { status } });
  const lost = failed("worker_lost", "lost", { retryable: true });
  const cases: [RetriedFailure[], AttemptEnd, "scheduled" | "dead"][] = [
    [[503], answered(503), "scheduled"],
    [[503], answered(500), "dead"],
    [[404], answered(404), "scheduled"],
    [["5xx"], answered(599), "scheduled"],
    [["5xx"], answered(404), "dead"],
    [["http_status"], answered(404), "scheduled"],
    [["timeout", "connect_failed"], failed("timeout", "late", { retryable: true }), "scheduled"],
    [["5xx", 500], failed("connect_failed", "away", { retryable: true }), "dead"],
    [["worker_lost"], lost, "scheduled"],
    [["5xx"], lost, "dead"],
  ];
  for (const [on, outcome, state] of cases) {
    const retry = { ...policy(false), on };
    const verdict = decideVerdict(outcome, { ...facts(1), retry }, now);
    assert.equal(verdict.state, state, JSON.stringify([on, outcome]));
  }
  const last = decideVerdict(answered(503), { ...facts(3), retry: { ...policy(false), on: [503] } }, now);
  assert.equal(last.state, "dead", "the attempts are used up");
});

test("no retry is planned for the deadline or later: then the run has failed of that", () => {
  const until = (waitMs: number) => ({ ...facts(1), deadlineAt: new Date(now.getTime() + waitMs) });
  assert.equal(waitOf(decideVerdict(flaky, until(1_001), now)), 1_000);
  const verdict = decideVerdict(flaky, until(1_000), now);
  assert.ok(verdict.state === "dead");
  assert.equal(verdict.error.code, "deadline_exceeded");
  assert.deepEqual(verdict.error.details, {
    lastError: { code: "http_status", message: "The server answered 503." },
  });
  const usedUp = decideVerdict(flaky, { ...until(1), attempt: 3, deadLetter: false }, now);
  assert.ok(usedUp.state === "failed");
  assert.equal(usedUp.error.code, "http_status", "there was no further attempt to leave time for");
});

test("a function's own word on its next attempt goes before the policy's, within its attempts", () => {
  const ask = (waitMs?: number) =>
    failed("function_retry", "busy", { retryable: true, ...(waitMs === undefined ? {} : { waitMs }) });
  assert.equal(waitOf(decideVerdict(ask(600_000), facts(1), now)), 600_000);
  assert.equal(waitOf(decideVerdict(ask(0), facts(1), now)), 0, "shorter than the backoff, too");
  assert.equal(waitOf(decideVerdict(ask(), facts(2), now)), 2_000);
  assert.equal(decideVerdict(ask(0), facts(3), now).state, "dead", "it counts as an attempt");
  const listed = { ...facts(1), retry: { ...policy(false), on: ["5xx"] } };
  assert.equal(decideVerdict(ask(0), listed, now).state, "scheduled");
  const fatal = failed("function_fatal", "no such order", { retryable: false });
  assert.equal(decideVerdict(fatal, facts(1), now).state, "dead");
  assert.equal(decideVerdict(ask(1_000), { ...facts(1), deadlineAt: now }, now).state, "dead");
});
