/** What is kept of a log for those who follow it, and for how long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FollowedLine } from "../../core/store/logs.ts";
import { createKeptBatches } from "./kept-batches.ts";
import { LogFeed, MAX_BATCH_CHARS, takeBatch } from "./log-feed.ts";

function lines(from: number, count: number, message = "x"): FollowedLine[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ position: `1:${from + index}`, at: new Date(0), level: "info", message, fields: null },
    ...{ runId: "r", revisionId: null, attempt: 1, searched: null },
  }));
}

function open(kept = createKeptBatches()) {
  const heard = { free: 0, lines: 0 };
  const feed = new LogFeed("f", "1:0", kept, () => {
    heard.free += 1;
  });
  const join = (position: string) =>
    feed.join({ position }, () => {
      heard.lines += 1;
    });
  /** One batch of one line. */
  const bring = (number: number, nowMs: number) => feed.receive(lines(number, 1), 500, nowMs);
  return { feed, heard, join, bring };
}

test("who has seen all joins, and takes each batch once; who lacks more than is kept does not", () => {
  const { feed, heard, join, bring } = open();
  assert.equal(join("0:9"), undefined);
  const seat = join("1:0")!;
  assert.equal(seat.take(), undefined);
  bring(1, 0);
  bring(2, 0);
  assert.equal(heard.lines, 2);
  const late = join("1:1")!;
  const taken = [seat.take(), seat.take(), seat.take(), late.take(), late.take()];
  assert.deepEqual(
    taken.map((batch) => (typeof batch === "object" ? batch.end : batch)),
    ["1:1", "1:2", undefined, "1:2", undefined],
  );
  assert.equal(feed.end, "1:2");
});

test("the reader waits for the slowest, for a while; then he is behind, and the others are not", () => {
  const { feed, heard, join, bring } = open();
  const [slow, quick] = [join("1:0")!, join("1:0")!];
  for (let number = 1; number <= 4; number += 1) {
    bring(number, 1_000);
    quick.take();
  }
  assert.equal(feed.dueAtMs, 1_250);
  slow.take();
  assert.equal(heard.free, 1);
  assert.equal(feed.dueAtMs, 1_025);
  bring(5, 1_025);
  quick.take();
  assert.equal(feed.dueAtMs, 1_275);
  bring(6, 1_275);
  assert.equal(slow.take(), "behind");
  assert.equal(heard.free, 1);
  assert.equal(typeof quick.take(), "object");
  assert.equal(join("1:4"), undefined);
  assert.ok(join("1:5"));
});

test("one who leaves is not waited for", () => {
  const { feed, heard, join, bring } = open();
  const seat = join("1:0")!;
  for (let number = 1; number <= 4; number += 1) bring(number, 0);
  assert.equal(feed.dueAtMs, 250);
  seat.leave();
  seat.leave();
  assert.equal(heard.free, 1);
  assert.equal(feed.dueAtMs, 25);
});

test("when nothing comes any more, nothing is kept", () => {
  const { feed, join, bring } = open();
  const stalled = join("1:0")!;
  bring(1, 0);
  for (let nowMs = 0; nowMs < 2_000; nowMs = feed.dueAtMs) feed.receive([], 500, nowMs);
  assert.equal(stalled.take(), "behind");
  assert.equal(join("1:0"), undefined);
  assert.ok(join("1:1"));
});

test("a batch is bounded by its size; a look that left something is followed by another at once", () => {
  const long = lines(1, 500, "x".repeat(8_000));
  const batch = takeBatch(long);
  const chars = batch.reduce((sum, { json }) => sum + json.length, 0);
  assert.ok(batch.length > 20 && chars <= MAX_BATCH_CHARS, `${batch.length} lines, ${chars} characters`);
  assert.equal(takeBatch(lines(1, 2, "x".repeat(MAX_BATCH_CHARS))).length, 1);
  const { feed, join } = open();
  const seat = join("1:0")!;
  feed.receive(long, 500, 7);
  assert.equal(feed.dueAtMs, 7);
  assert.equal(feed.end, `1:${batch.length}`);
  assert.equal(typeof seat.take(), "object");
});

test("of what everybody has taken only the newest batch is kept, also where nobody has a seat", () => {
  const { feed, join, bring } = open();
  bring(1, 0);
  bring(2, 0);
  assert.equal(join("1:0"), undefined);
  const seats = [join("1:1")!, join("1:2")!];
  bring(3, 0);
  seats[1]!.take();
  assert.ok(join("1:1"), "somebody has not taken the second");
  seats[0]!.take();
  seats[0]!.take();
  assert.equal(typeof seats[0]!.take(), "undefined");
  assert.ok(join("1:1"), "the one who joined just now has not");
  assert.equal(feed.end, "1:3");
});

test("all feeds together keep so much: beyond it the oldest go, whosever they are", () => {
  const [line] = takeBatch(lines(1, 1));
  const kept = createKeptBatches(3 * line!.json.length);
  const [one, other] = [open(kept), open(kept)];
  const [slow, waiting] = [one.join("1:0")!, other.join("1:0")!];
  one.bring(1, 0);
  other.bring(1, 0);
  one.bring(2, 0);
  assert.equal(typeof slow.take(), "object");
  // With the first of `one`, which was taken, there is room for this.
  other.bring(2, 0);
  assert.deepEqual([typeof slow.take(), typeof waiting.take()], ["object", "object"]);
  other.bring(3, 0);
  one.bring(3, 0);
  one.bring(4, 0);
  assert.equal(waiting.take(), "behind");
  assert.equal(other.join("1:1"), undefined);
  assert.ok(other.join("1:2"));
  // What nobody follows any more takes no room.
  other.feed.close();
  other.bring(4, 0);
  one.bring(5, 0);
  assert.deepEqual([typeof slow.take(), typeof slow.take()], ["object", "object"]);
});

test("a feed that is held is free when its oldest batch goes for another's sake", () => {
  const [line] = takeBatch(lines(1, 1));
  const kept = createKeptBatches(4 * line!.json.length);
  const [held, other] = [open(kept), open(kept)];
  const seat = held.join("1:0")!;
  for (let number = 1; number <= 4; number += 1) held.bring(number, 0);
  assert.equal(held.feed.dueAtMs, 250);
  other.bring(1, 0);
  assert.deepEqual([held.heard.free, held.feed.dueAtMs, seat.take()], [1, 25, "behind"]);
});
