import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type BatchSize,
  decideBatchSize,
  FIRST_BATCH_SIZE,
  gatherMsOf,
  MAX_BOUND_BATCHES,
  shouldBegin,
} from "./batch-size.ts";

const quick = (runs: number) => ({ runs, ranMs: 0.5, tookMs: 1, waited: false });

describe("decideBatchSize", () => {
  test("doubles while full batches are quick, up to the most there may be", () => {
    let size = FIRST_BATCH_SIZE;
    const seen = [1, 2, 4, 8, 16, 16].map(() => {
      size = decideBatchSize(size, quick(size.runs), 16);
      return size.runs;
    });
    assert.deepEqual(seen, [2, 4, 8, 16, 16, 16]);
  });

  test("stays where a batch was not full", () => {
    const size: BatchSize = { runs: 8, holdRuns: 0, isBound: true };
    assert.equal(decideBatchSize(size, quick(3), 16).runs, 8);
  });

  test("halves after a long batch", () => {
    const long = { runs: 8, ranMs: 30, tookMs: 31, waited: false };
    assert.equal(decideBatchSize({ runs: 8, holdRuns: 0, isBound: true }, long, 16).runs, 4);
    assert.equal(decideBatchSize({ runs: 1, holdRuns: 0, isBound: true }, long, 16).runs, 1);
  });

  test("falls to one after a run waited, and stays there for a while", () => {
    let size = decideBatchSize(
      { runs: 16, holdRuns: 0, isBound: true },
      { runs: 16, ranMs: 1, tookMs: 9, waited: true },
      16,
    );
    assert.equal(size.runs, 1);
    let quickRuns = 0;
    for (; size.runs === 1; quickRuns++) size = decideBatchSize(size, quick(1), 16);
    assert.ok(quickRuns > 100, `${quickRuns}`);
  });
});

describe("shouldBegin", () => {
  const short: BatchSize = { runs: 16, holdRuns: 0, isBound: true };
  test("at once for a function that runs alone, and while few batches are under way", () => {
    assert.ok(shouldBegin(FIRST_BATCH_SIZE, 0, 0, 1));
    assert.ok(shouldBegin(short, 1, 1, 1));
  });
  test("of a function of which no run has ended: on as many isolates as there are processors, and one more each 10 ms", () => {
    assert.ok(shouldBegin(FIRST_BATCH_SIZE, MAX_BOUND_BATCHES - 1, 1, 8));
    assert.equal(shouldBegin(FIRST_BATCH_SIZE, MAX_BOUND_BATCHES, 9, 8), false);
    assert.ok(shouldBegin(FIRST_BATCH_SIZE, MAX_BOUND_BATCHES, 10, 8));
  });
  test("not while two batches of a short function are under way, until they last", () => {
    assert.equal(shouldBegin(short, 2, 1, 5), false);
    assert.ok(shouldBegin(short, 2, 50, 5));
  });
  test("full batches of a function that keeps its threads begin while a processor may be free for them", () => {
    assert.ok(shouldBegin(short, MAX_BOUND_BATCHES - 1, 1, 16));
    assert.equal(shouldBegin(short, MAX_BOUND_BATCHES, 1, 16), false);
    const alone = { ...short, runs: 1 };
    assert.ok(shouldBegin(alone, MAX_BOUND_BATCHES - 1, 1, 1));
    assert.equal(shouldBegin(alone, MAX_BOUND_BATCHES, 1, 1), false);
  });
  test("while the oldest lasts, one more each ten milliseconds: many that began at once do not keep it so", () => {
    assert.equal(shouldBegin(short, 24, 100, 24), false);
    assert.ok(shouldBegin(short, MAX_BOUND_BATCHES + 9, 100, 24));
  });
  test("where batches take longer by the clock, the next one waits longer, within bounds", () => {
    assert.equal(gatherMsOf(FIRST_BATCH_SIZE), 10);
    assert.equal(gatherMsOf({ ...short, tookMs: 12 }), 24);
    assert.equal(gatherMsOf({ ...short, tookMs: 500 }), 50);
    assert.equal(shouldBegin({ ...short, tookMs: 12 }, MAX_BOUND_BATCHES, 23, 16), false);
    assert.ok(shouldBegin({ ...short, tookMs: 12 }, MAX_BOUND_BATCHES, 24, 16));
  });
  test("at once for a function of which one run waited for something", () => {
    const waiting = decideBatchSize(short, { runs: 16, ranMs: 1, tookMs: 9, waited: true }, 64);
    assert.ok(shouldBegin(waiting, 30, 1, 1));
    assert.ok(shouldBegin(decideBatchSize(waiting, quick(1), 64), 30, 1, 1));
  });
});

test("how long batches take is that of the last ones", () => {
  let size = decideBatchSize(FIRST_BATCH_SIZE, { ...quick(1), tookMs: 40 }, 16);
  assert.equal(size.tookMs, 40);
  for (let batch = 0; batch < 20; batch += 1) size = decideBatchSize(size, { ...quick(1), tookMs: 4 }, 16);
  assert.equal(Math.round(size.tookMs!), 4);
});

test("a batch takes milliseconds, however short its runs", () => {
  const size: BatchSize = { runs: 32, holdRuns: 0, isBound: true };
  const finished = (ranMs: number) => ({ runs: 32, ranMs, tookMs: ranMs, waited: false });
  assert.equal(decideBatchSize(size, finished(5), 64).runs, 32);
  assert.equal(decideBatchSize(size, finished(3), 64).runs, 64);
  assert.equal(decideBatchSize(size, finished(12), 64).runs, 16);
});
