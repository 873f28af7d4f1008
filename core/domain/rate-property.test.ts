/** What a rate lets start, held against what docs/queues.md promises of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertHolds } from "../../test/support/properties.ts";
import { type Bucket, burstOf, countStarts, intervalOf, latenessOf, takeStarts } from "./rate.ts";

const BEGAN_MS = 1_700_000_000_000;
/** Instants are floating point numbers of milliseconds, in which sums are not exact. */
const ROUNDING_MS = 0.01;

const anyRate = fc.record({
  limit: fc.constantFrom(1, 2, 3, 7, 10, 100, 3_000),
  perMs: fc.constantFrom(1_000, 2_500, 60_000),
  burst: fc.option(fc.integer({ min: 1, max: 12 })),
});
type AnyRate = typeof anyRate extends fc.Arbitrary<infer Value> ? Value : never;
const fullBucket = (rate: AnyRate): Bucket => ({
  ...{ intervalMs: intervalOf(rate), burst: burstOf(rate) },
  fullAtMs: BEGAN_MS,
});

/** Whoever decides comes whenever it comes, wants any number, and has been waited for since any time, or by nobody. */
const anyLook = fc.record({
  afterMs: fc.oneof(fc.nat(20), fc.nat(1_500), fc.double({ min: 0, max: 120, noNaN: true })),
  wanted: fc.oneof(fc.nat(3), fc.nat(40)),
  waitedMs: fc.option(fc.oneof(fc.nat(150), fc.constant(Number.POSITIVE_INFINITY))),
});

test("in no stretch of time start more than the burst, one for each interval, and one that was late", () => {
  const property = fc.property(anyRate, fc.array(anyLook, { maxLength: 40, size: "max" }), (rate, looks) => {
    const { intervalMs, burst } = fullBucket(rate);
    let bucket = fullBucket(rate);
    let nowMs = BEGAN_MS;
    const starts: number[] = [];
    for (const { afterMs, wanted, waitedMs } of looks) {
      nowMs += afterMs;
      const count = Math.min(wanted, countStarts(bucket, nowMs));
      bucket = takeStarts(bucket, count, {
        nowMs,
        waitingSinceMs: waitedMs === null ? null : nowMs - waitedMs,
      });
      starts.push(...Array<number>(count).fill(nowMs));
    }
    const mostWithin = (ms: number) =>
      burst + Math.floor((ms + latenessOf(intervalMs) + ROUNDING_MS) / intervalMs);
    for (const [last, atMs] of starts.entries())
      for (const [first, fromMs] of starts.slice(0, last).entries()) {
        const count = last - first + 1;
        assert.ok(count <= mostWithin(atMs - fromMs), `${count} within ${atMs - fromMs} ms`);
        if (atMs - fromMs <= rate.perMs) assert.ok(count <= rate.limit + burst, `${count} within its time`);
      }
  });
  assertHolds(property, 1_000);
});

test("while runs wait, a start that is late puts off none of those after it", () => {
  const anyLateness = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 });
  const property = fc.property(anyRate, anyLateness, (rate, lateness) => {
    let bucket: Bucket = { ...fullBucket(rate), burst: 1 };
    const { intervalMs } = bucket;
    for (const [nth, share] of lateness.entries()) {
      const roomMs = BEGAN_MS + nth * intervalMs;
      const nowMs = roomMs + share * latenessOf(intervalMs);
      assert.equal(countStarts(bucket, nowMs + ROUNDING_MS), 1, "it may start at its instant");
      bucket = takeStarts(bucket, 1, { nowMs, waitingSinceMs: BEGAN_MS });
    }
    assert.ok(Math.abs(bucket.fullAtMs - BEGAN_MS - lateness.length * intervalMs) < ROUNDING_MS);
  });
  assertHolds(property, 500);
});

test("where nobody has waited, a bucket that was idle holds its burst and no more", () => {
  const property = fc.property(anyRate, fc.nat(100_000), (rate, idleMs) => {
    const nowMs = BEGAN_MS + idleMs;
    const bucket = fullBucket(rate);
    for (const waitingSinceMs of [null, nowMs]) {
      const used = takeStarts(bucket, bucket.burst, { nowMs, waitingSinceMs });
      assert.equal(countStarts(used, nowMs), 0);
      assert.equal(countStarts(used, nowMs + bucket.intervalMs - ROUNDING_MS), 0);
      assert.equal(countStarts(used, nowMs + bucket.intervalMs + ROUNDING_MS), 1);
    }
  });
  assertHolds(property, 300);
});

test("what was not used for long while runs waited is not saved up: less than one start, and at most a second", () => {
  const property = fc.property(anyRate, fc.integer({ min: 2_000, max: 1_000_000 }), (rate, lateMs) => {
    const bucket = fullBucket(rate);
    const nowMs = BEGAN_MS + lateMs;
    const used = takeStarts(bucket, bucket.burst, { nowMs, waitingSinceMs: BEGAN_MS });
    assert.equal(countStarts(used, nowMs), 0);
    assert.equal(countStarts(used, nowMs + bucket.intervalMs - 1_000 - ROUNDING_MS), 0);
  });
  assertHolds(property, 300);
});
