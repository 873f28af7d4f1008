/** The stream behind `?follow=true`, by the clock. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { newId } from "../../core/store/ids.ts";
import { openTestStore, until } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { type FollowFormat, type FollowOptions, followFunctionLogs } from "./follow.ts";

const { store, db } = await openTestStore(createTestDatabase);

function openStream(t: TestContext, format: FollowFormat = "ndjson", given: Partial<FollowOptions> = {}) {
  const clock = createManualClock();
  const stop = new AbortController();
  t.after(() => stop.abort());
  const functionId = newId();
  const stream = followFunctionLogs(db, {
    ...{ functionId, after: { position: "0:0" }, format, clock, signal: stop.signal },
    isAllowed: async () => true,
    ...given,
  });
  return { clock, stop, functionId, reader: stream.pipeThrough(new TextDecoderStream()).getReader() };
}

for (const [format, sign] of [
  ["sse", ": still here\n\n"],
  ["ndjson", "\n"],
] as const) {
  test(`a quiet ${format} stream says every 15 s that it is there`, async (t) => {
    const { clock, reader } = openStream(t, format);
    for (const _time of ["once", "again"]) {
      const signs = reader.read();
      const start = clock.now().getTime();
      let heard = false;
      void signs.then(() => {
        heard = true;
      });
      while (!heard && clock.now().getTime() - start < 60_000) {
        await clock.waitForSleepers(1);
        await clock.advance(500);
      }
      assert.equal((await signs).value, sign);
      const waitedMs = clock.now().getTime() - start;
      assert.ok(waitedMs >= 15_000 && waitedMs <= 16_000, `${waitedMs} ms`);
    }
  });
}

test("a reader that leaves ends the looking", async (t) => {
  const { clock, reader } = openStream(t);
  const reading = reader.read();
  await clock.waitForSleepers(1);
  await reader.cancel();
  assert.equal((await reading).done, true);
  await clock.advance(60_000);
  assert.equal(clock.sleepers, 0);
});

test("when the API stops, the stream ends", async (t) => {
  const { clock, stop, reader } = openStream(t);
  const reading = reader.read();
  await clock.waitForSleepers(1);
  stop.abort();
  assert.equal((await reading).done, true);
  assert.equal(clock.sleepers, 0);
});

test("a reader whose key is revoked is let go when it is checked again, every 30 s", async (t) => {
  let checks = 0;
  const isAllowed = async () => {
    checks += 1;
    return checks < 2;
  };
  const { clock, reader } = openStream(t, "ndjson", { isAllowed });
  const start = clock.now().getTime();
  let isDone = false;
  void (async () => {
    while (!(await reader.read()).done);
    isDone = true;
  })();
  while (!isDone && clock.now().getTime() - start < 120_000) {
    await clock.waitForSleepers(1);
    await clock.advance(500);
    await until(async () => isDone || clock.sleepers > 0 || undefined);
  }
  const waitedMs = clock.now().getTime() - start;
  assert.ok(checks === 2 && waitedMs >= 60_000 && waitedMs <= 61_000, `${checks} checks, ${waitedMs} ms`);
});

test("after lines came it is looked again soon, then less and less often", async (t) => {
  const { clock, reader, functionId } = openStream(t);
  const write = (message: string) =>
    store.pool.query(
      `INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, level, message)
       VALUES (clock_timestamp(), $1, $1, 1, $1, 'info', $2)`,
      [functionId, message],
    );
  /** What is read next, and how long it took by the clock, which moves in such steps. */
  async function read(stepMs: number) {
    const start = clock.now().getTime();
    let text: string | undefined;
    void reader.read().then(({ value }) => {
      text = value;
    });
    await until(async () => {
      if (text === undefined && clock.sleepers > 0) await clock.advance(stepMs);
      return text;
    });
    return { text: text!, waitedMs: clock.now().getTime() - start };
  }
  await clock.waitForSleepers(1);
  await write("first");
  assert.match((await read(500)).text, /first/);
  await clock.waitForSleepers(1);
  await write("second");
  const { text, waitedMs } = await read(5);
  assert.match(text, /second/);
  assert.ok(waitedMs < 500, `${waitedMs} ms`);
});
