import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type BatchSize, decideBatchSize, FIRST_BATCH_SIZE, shouldBegin } from "./batch-size.ts";

const quick = (runs: number) => ({ runs, ranMs: 0.5, waited: false });

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
    const size: BatchSize = { runs: 8, holdRuns: 0 };
    assert.deepEqual(decideBatchSize(size, quick(3), 16), size);
  });

  test("halves after a long batch", () => {
    const long = { runs: 8, ranMs: 30, waited: false };
    assert.equal(decideBatchSize({ runs: 8, holdRuns: 0 }, long, 16).runs, 4);
    assert.equal(decideBatchSize({ runs: 1, holdRuns: 0 }, long, 16).runs, 1);
  });

  test("falls to one after a run waited, and stays there for a while", () => {
    let size = decideBatchSize({ runs: 16, holdRuns: 0 }, { runs: 16, ranMs: 1, waited: true }, 16);
    assert.equal(size.runs, 1);
    let quickRuns = 0;
    for (; size.runs === 1; quickRuns++) size = decideBatchSize(size, quick(1), 16);
    assert.ok(quickRuns > 100, `${quickRuns}`);
  });
});

describe("shouldBegin", () => {
  const short: BatchSize = { runs: 16, holdRuns: 0 };
  test("at once for a function that runs alone, and while few batches are under way", () => {
    assert.ok(shouldBegin(FIRST_BATCH_SIZE, 7, 1, 1));
    assert.ok(shouldBegin(short, 1, 1, 1));
  });
  test("not while two batches of a short function are under way, until one more is full or they last", () => {
    assert.equal(shouldBegin(short, 2, 1, 5), false);
    assert.ok(shouldBegin(short, 2, 1, 16));
    assert.ok(shouldBegin(short, 2, 50, 5));
  });
});

test("a batch takes milliseconds, however short its runs", () => {
  const size: BatchSize = { runs: 32, holdRuns: 0 };
  assert.equal(decideBatchSize(size, { runs: 32, ranMs: 5, waited: false }, 64).runs, 32);
  assert.equal(decideBatchSize(size, { runs: 32, ranMs: 3, waited: false }, 64).runs, 64);
  assert.equal(decideBatchSize(size, { runs: 32, ranMs: 12, waited: false }, 64).runs, 16);
});
