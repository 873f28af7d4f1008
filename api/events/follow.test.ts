/** The stream of events, by the clock. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { FIRST_EVENT } from "../../core/domain/event-position.ts";
import { queueRun } from "../../core/store/testing/samples.ts";
import { openTestStore, until } from "../../core/store/testing/test-store.ts";
import { createLogger } from "../../core/telemetry/log.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { STREAM_OWNER, UNCOUNTED_STREAMS } from "../testing/uncounted-streams.ts";
import type { FollowOptions } from "./follow.ts";
import { createEventFollowers } from "./followers.ts";

const { store, newNamespace } = await openTestStore(createTestDatabase);

async function open(t: TestContext, given: Partial<FollowOptions> = {}) {
  const clock = createManualClock();
  const stop = new AbortController();
  const followers = createEventFollowers({
    ...{ store, clock, log: createLogger("api", "silent"), streams: UNCOUNTED_STREAMS },
  });
  t.after(async () => {
    stop.abort();
    await followers.close();
  });
  const namespaceId = await newNamespace();
  const follow = async () => {
    const { content } = await followers.follow(STREAM_OWNER, {
      ...{ namespaceId, keyId: "key", filter: {}, format: "ndjson", signal: stop.signal },
      ...{ watchKey: () => () => {}, ...given },
    });
    return content.pipeThrough(new TextDecoderStream()).getReader();
  };
  return { clock, stop, followers, namespaceId, follow };
}

/** Lets time pass until it is so; how much. */
async function pass(clock: ManualClock, stepMs: number, isSo: () => boolean): Promise<number> {
  const startMs = clock.steadyMs();
  await until(async () => {
    if (!isSo()) await clock.advance(stepMs);
    return isSo() || undefined;
  });
  return clock.steadyMs() - startMs;
}

function watch<T>(promise: Promise<T>): { isDone(): boolean } {
  let isDone = false;
  void promise.then(() => {
    isDone = true;
  });
  return { isDone: () => isDone };
}

test("a quiet stream says every 15 s that it is there", async (t) => {
  const { clock, follow } = await open(t, { format: "sse" });
  const reader = await follow();
  for (const _time of ["once", "again"]) {
    const sign = reader.read();
    const waitedMs = await pass(clock, 500, watch(sign).isDone);
    assert.equal((await sign).value, ": still here\n\n");
    assert.ok(waitedMs >= 14_000 && waitedMs <= 17_000, `${waitedMs} ms`);
  }
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
  const { follow, followers } = await open(t, { watchKey });
  const reading = (await follow()).read();
  endKey();
  assert.equal((await reading).done, true);
  assert.deepEqual([followers.count, watchers], [0, 0]);
});

test("when the API stops, or its reader leaves, a stream ends and gives its place back", async (t) => {
  const { stop, follow, followers } = await open(t);
  const [left, stopped] = [await follow(), await follow()];
  const readings = [left.read(), stopped.read()];
  assert.equal(followers.count, 2);
  await left.cancel();
  assert.equal(followers.count, 1);
  stop.abort();
  for (const reading of readings) assert.equal((await reading).done, true);
  assert.equal(followers.count, 0);
});

test("who is slow misses nothing, and takes nothing that he has not asked for", async (t) => {
  const { clock, follow, namespaceId } = await open(t, { after: FIRST_EVENT });
  const [quick, slow] = [await follow(), await follow()];
  const seen: string[] = [];
  const take = async (reader: typeof quick, lines: string[], count: number) => {
    while (lines.length < count) {
      const reading = reader.read();
      await pass(clock, 25, watch(reading).isDone);
      lines.push(...(await reading).value!.split("\n").filter((line) => line !== ""));
    }
  };
  for (let turn = 1; turn <= 4; turn += 1) {
    await queueRun(store, namespaceId);
    await take(quick, seen, 2 * turn);
  }
  const late: string[] = [];
  await take(slow, late, 8);
  assert.deepEqual(late, seen);
  assert.equal(new Set(seen).size, 8);
});
