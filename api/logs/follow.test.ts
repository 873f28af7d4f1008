/** The stream behind `?follow=true`, by the clock. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { newId } from "../../core/store/ids.ts";
import { FIRST_LOG_POSITION, readFollowedLogs } from "../../core/store/logs.ts";
import { openTestStore, until } from "../../core/store/testing/test-store.ts";
import { createLogger } from "../../core/telemetry/log.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { STREAM_OWNER, UNCOUNTED_STREAMS } from "../testing/uncounted-streams.ts";
import { type FollowFormat, type FollowOptions, streamFollower } from "./follow.ts";
import { createLogFollowers } from "./followers.ts";
import { createKeptBatches } from "./kept-batches.ts";
import { createKeyedSemaphore } from "./keyed-semaphore.ts";
import { LogFeed } from "./log-feed.ts";

const { store, db } = await openTestStore(createTestDatabase);

async function openStream(
  t: TestContext,
  format: FollowFormat = "ndjson",
  given: Partial<FollowOptions> = {},
) {
  const clock = createManualClock();
  const stop = new AbortController();
  const followers = createLogFollowers({
    ...{ db, clock, log: createLogger("api", "silent"), streams: UNCOUNTED_STREAMS },
  });
  t.after(async () => {
    stop.abort();
    await followers.close();
  });
  const functionId = newId();
  const stream = await followers.follow(STREAM_OWNER, async () => ({
    ...{ functionId, keyId: "key", after: { position: "0:0" }, format, signal: stop.signal },
    ...{ filter: {}, searchText: undefined, watchKey: () => () => {} },
    ...given,
  }));
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  return { clock, stop, functionId, reader, followers };
}

/** A follower and the feed, while neither looks at the database. */
const SLEEPERS = 2;

/** Lets time pass, in such steps, until it is so; none passes during a look at the database. */
async function pass(
  clock: ManualClock,
  stepMs: number,
  isSo: () => boolean,
  maxMs = 120_000,
): Promise<number> {
  const start = clock.now().getTime();
  await until(async () => {
    if (!isSo() && clock.sleepers >= SLEEPERS) await clock.advance(stepMs);
    return isSo() || clock.now().getTime() - start > maxMs || undefined;
  });
  return clock.now().getTime() - start;
}

for (const [format, sign] of [
  ["sse", ": still here\n\n"],
  ["ndjson", "\n"],
] as const) {
  test(`a quiet ${format} stream says every 15 s that it is there`, async (t) => {
    const { clock, reader } = await openStream(t, format);
    for (const _time of ["once", "again"]) {
      const signs = reader.read();
      let heard = false;
      void signs.then(() => {
        heard = true;
      });
      const waitedMs = await pass(clock, 500, () => heard, 60_000);
      assert.equal((await signs).value, sign);
      assert.ok(waitedMs >= 15_000 && waitedMs <= 16_000, `${waitedMs} ms`);
    }
  });
}

test("a reader that leaves ends the looking, and gives its place back", async (t) => {
  const { clock, reader, followers } = await openStream(t);
  const reading = reader.read();
  await clock.waitForSleepers(SLEEPERS);
  assert.equal(followers.count, 1);
  await reader.cancel();
  assert.equal((await reading).done, true);
  await followers.close();
  assert.deepEqual([clock.sleepers, followers.count], [0, 0]);
});

test("when the API stops, the stream ends", async (t) => {
  const { clock, stop, reader, followers } = await openStream(t);
  const reading = reader.read();
  await clock.waitForSleepers(SLEEPERS);
  stop.abort();
  assert.equal((await reading).done, true);
  await followers.close();
  assert.deepEqual([clock.sleepers, followers.count], [0, 0]);
});

test("one who is gone before his stream begins takes no place", async (t) => {
  const gone = AbortSignal.abort();
  const { reader, followers } = await openStream(t, "ndjson", { signal: gone });
  assert.equal(followers.count, 0);
  assert.equal((await reader.read()).done, true);
});

test("a reader whose key is not valid any more is let go at once, and his key is watched no longer", async (t) => {
  let endKey = () => {};
  let watchers = 1;
  const watchKey = (onInvalid: () => void) => {
    endKey = onInvalid;
    return () => {
      watchers -= 1;
    };
  };
  const { reader, followers } = await openStream(t, "ndjson", { watchKey });
  const reading = reader.read();
  endKey();
  assert.equal((await reading).done, true);
  assert.deepEqual([followers.count, watchers], [0, 0]);
});

test("after lines came it is looked again soon, then less and less often", async (t) => {
  const { clock, reader, functionId } = await openStream(t);
  const write = (message: string) =>
    store.pool.query(
      `INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, level, message)
       VALUES (clock_timestamp(), $1, $1, 1, $1, 'info', $2)`,
      [functionId, message],
    );
  /** What is read next, and how long it took by the clock, which moves in such steps. */
  async function read(stepMs: number) {
    let text: string | undefined;
    void reader.read().then(({ value }) => {
      text = value;
    });
    const waitedMs = await pass(clock, stepMs, () => text !== undefined);
    return { text: text!, waitedMs };
  }
  await clock.waitForSleepers(SLEEPERS);
  await write("first");
  // In steps so small that a slow look at the database outlasts neither the keep-alive nor the wait between looks.
  assert.match((await read(25)).text, /first/);
  await clock.waitForSleepers(SLEEPERS);
  await write("second");
  const { text, waitedMs } = await read(1);
  assert.match(text, /second/);
  assert.ok(waitedMs < 500, `${waitedMs} ms`);
});

/** Fails instead of holding up the process for ever. */
class CountingFeed extends LogFeed {
  joins = 0;

  override join(...given: Parameters<LogFeed["join"]>): ReturnType<LogFeed["join"]> {
    this.joins += 1;
    if (this.joins > 20) throw new Error("it joins again and again");
    return super.join(...given);
  }
}

for (const arrival of ["before it begins", "when it has joined"]) {
  test(`who looks for text reads batches without it by himself, once: they came ${arrival}`, async (t) => {
    const functionId = newId();
    const write = (message: string) =>
      store.pool.query(
        `INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, level, message)
         VALUES (clock_timestamp(), $1, $1, 1, $1, 'info', $2)`,
        [functionId, message],
      );
    const read = (withSearched: boolean, count: number, position = FIRST_LOG_POSITION) =>
      until(async () => {
        const [found] = await readFollowedLogs(db, [{ functionId, position, withSearched }], 10);
        return found!.length === count ? found : undefined;
      });
    await write("wanted 1");
    await write("other");
    const old = await read(false, 2);
    const feed = new CountingFeed(functionId, FIRST_LOG_POSITION, createKeptBatches(), () => {});
    if (arrival === "before it begins") feed.receive(old, 10, 0);
    const stop = new AbortController();
    t.after(() => stop.abort());
    const clock = createManualClock();
    const after = { position: arrival === "before it begins" ? FIRST_LOG_POSITION : old[1]!.position };
    const stream = streamFollower(
      { db, clock, open: { feed, close() {} }, semaphore: createKeyedSemaphore(1), onEnd() {} },
      {
        ...{ functionId, keyId: "key", after, format: "ndjson", signal: stop.signal },
        ...{ filter: { text: "wanted" }, searchText: "wanted", watchKey: () => () => {} },
      },
    );
    const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    const next = async () => JSON.parse((await reader.read()).value!).message;
    if (arrival === "before it begins") assert.equal(await next(), "wanted 1");
    else {
      feed.receive(old, 10, 0);
      const reading = next();
      await clock.waitForSleepers(1);
      await write("wanted 1");
      feed.receive(await read(false, 1, old[1]!.position), 10, 0);
      assert.equal(await reading, "wanted 1");
    }
    // With the text it comes from the feed.
    const reading = next();
    await clock.waitForSleepers(1);
    await write("wanted 2");
    feed.receive(await read(true, 1, feed.end), 10, 0);
    assert.equal(await reading, "wanted 2");
    assert.ok(feed.joins <= 3, `joined ${feed.joins} times`);
  });
}

test("who has read by himself further than the feed has come gets nothing twice from it", async (t) => {
  const functionId = newId();
  for (const level of ["info", "error", "error"]) {
    await store.pool.query(
      `INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, level, message)
       VALUES (clock_timestamp(), $1, $1, 1, $1, $2, 'x')`,
      [functionId, level],
    );
  }
  const asked = [{ functionId, position: FIRST_LOG_POSITION, withSearched: false }];
  const [lines] = await until(async () => {
    const found = await readFollowedLogs(db, asked, 10);
    return found[0]!.length === 3 ? found : undefined;
  });
  const feed = new LogFeed(functionId, "0:1", createKeptBatches(), () => {});
  const stop = new AbortController();
  t.after(() => stop.abort());
  const clock = createManualClock();
  const stream = streamFollower(
    { db, clock, open: { feed, close() {} }, semaphore: createKeyedSemaphore(1), onEnd() {} },
    {
      ...{ functionId, keyId: "key", after: { position: FIRST_LOG_POSITION }, format: "ndjson" },
      ...{ filter: { level: "error" }, searchText: undefined, watchKey: () => () => {} },
      signal: stop.signal,
    },
  );
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  const idsOf = ({ value = "" }) =>
    value
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).id);
  const ids = lines!.map(({ position }) => position);
  assert.deepEqual(idsOf(await reader.read()), ids.slice(1));
  // It has joined, and waits.
  await clock.waitForSleepers(1);
  feed.receive(lines!.slice(0, 1), 1, 0);
  feed.receive(lines!.slice(1), 2, 0);
  const next = { ...lines![2]!, position: "9999999999:1" };
  const reading = reader.read();
  feed.receive([next], 1, 0);
  assert.deepEqual(idsOf(await reading), [next.position]);
});
