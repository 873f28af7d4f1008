import assert from "node:assert/strict";
import { test } from "node:test";
import { WarmShare } from "./warm-share.ts";

const MEGABYTE = 1_048_576;

function openShare() {
  const share = new WarmShare();
  const report = (mb: number) =>
    share.setReport({ isolates: 1, bytes: mb * MEGABYTE, evicted: { memory: 0, idle: 0 } });
  const inMb = () => [share.countedBytes / MEGABYTE, share.grantedBytes / MEGABYTE];
  return { share, report, inMb };
}

test("an executor is granted what it was until it says that it holds no more than it may now", () => {
  const { share, report, inMb } = openShare();
  share.setLimit(512 * MEGABYTE);
  report(500);
  share.setLimit(100 * MEGABYTE);
  assert.deepEqual(inMb(), [500, 512]);
  report(101);
  assert.deepEqual(inMb(), [101, 512]);
  report(100);
  assert.deepEqual(inMb(), [100, 100]);
  share.setLimit(200 * MEGABYTE);
  assert.deepEqual(inMb(), [100, 200]);
});

test("what an executor says to hold counts no further than it was granted", () => {
  const { share, report, inMb } = openShare();
  report(900);
  assert.deepEqual(inMb(), [0, 0]);
  share.setLimit(64 * MEGABYTE);
  assert.deepEqual(inMb(), [64, 64]);
});

test("an executor is told of a limit that differs by a megabyte, or is none any more", () => {
  const { share } = openShare();
  assert.equal(share.setLimit(MEGABYTE), true);
  assert.equal(share.setLimit(2 * MEGABYTE - 1), false);
  assert.equal(share.setLimit(2 * MEGABYTE), true);
  assert.equal(share.setLimit(0), true);
  assert.equal(share.setLimit(0), false);
});
