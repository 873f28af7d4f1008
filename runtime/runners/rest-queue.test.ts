import assert from "node:assert/strict";
import { test } from "node:test";
import { type AttemptOutcome, failed, succeeded } from "../../core/domain/attempt.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { restingQueue } from "./rest-queue.ts";
import type { AttemptContext } from "./task-runner.ts";

const answered = (status: number, retryAfterMs?: number) =>
  failed("http_status", "no", {
    retryable: true,
    details: { status },
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });

async function rests(outcome: AttemptOutcome, holdsPermits = true) {
  const rested: number[] = [];
  const runner = restingQueue(
    async () => outcome,
    async (_, ms) => void rested.push(ms),
    () => {},
  );
  assert.equal(await runner({ holdsPermits } as ClaimedRun, {} as AttemptContext), outcome);
  return rested;
}

test("a 429 or 503 that says when to come back rests the queue until then, a day at most", async () => {
  assert.deepEqual(await rests(answered(429, 2_000)), [2_000]);
  assert.deepEqual(await rests(answered(503, 10 * 86_400_000)), [86_400_000]);
});

test("nothing else does", async () => {
  for (const outcome of [answered(429), answered(500, 2_000), succeeded(null)])
    assert.deepEqual(await rests(outcome), []);
  assert.deepEqual(await rests(answered(429, 2_000), false), []);
});

test("an attempt whose queue cannot be rested ends as it did", async () => {
  const errors: unknown[] = [];
  const outcome = answered(429, 1);
  const runner = restingQueue(
    async () => outcome,
    async () => {
      throw new Error("away");
    },
    (error) => errors.push(error),
  );
  assert.equal(await runner({ holdsPermits: true } as ClaimedRun, {} as AttemptContext), outcome);
  assert.equal(errors.length, 1);
});
