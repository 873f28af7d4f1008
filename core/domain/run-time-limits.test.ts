import assert from "node:assert/strict";
import { test } from "node:test";
import { exceedsDeadline, expired, findDeadline, fitTimeoutMs, isExpired } from "./run-time-limits.ts";

const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms);

test("a run expires that nobody has claimed within its ttl, counted from its instant", () => {
  const claimedAt = (ms: number, claimNo = 1) => ({
    ...{ scheduledFor: at(0), limitsFrom: null, startedAt: at(ms), claimNo },
  });
  assert.equal(isExpired(claimedAt(59_999), 60_000), false);
  assert.equal(isExpired(claimedAt(60_000), 60_000), true);
  assert.equal(isExpired(claimedAt(60_000, 2), 60_000), false, "it has begun before");
  assert.equal(isExpired(claimedAt(1e12), null), false);
  const made = { ...claimedAt(90_000), limitsFrom: at(60_000) };
  assert.equal(isExpired(made, 60_000), false, "a backfill made it later");
  assert.match(expired(60_000).message, /within 1m of its instant/);
});

test("the deadline is counted from the run's instant, and after a redrive from that", () => {
  assert.deepEqual(findDeadline({ scheduledFor: at(0), limitsFrom: null }, 5_000), at(5_000));
  assert.deepEqual(findDeadline({ scheduledFor: at(0), limitsFrom: at(90_000) }, 5_000), at(95_000));
  assert.equal(findDeadline({ scheduledFor: at(0), limitsFrom: null }, null), null);
});

test("an attempt's timeout is cut to what the deadline leaves", () => {
  assert.equal(fitTimeoutMs(30_000, at(0), null), 30_000);
  assert.equal(fitTimeoutMs(30_000, at(0), at(30_000)), 30_000);
  assert.equal(fitTimeoutMs(30_000, at(29_000), at(30_000)), 1_000);
  assert.ok(fitTimeoutMs(30_000, at(30_000), at(30_000)) <= 0, "none may begin");
  assert.equal(exceedsDeadline(at(0)).details, undefined);
});
