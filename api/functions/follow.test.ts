/** The stream behind `?follow=true`, by the clock. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { newId } from "../../core/store/ids.ts";
import { openTestStore } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { type FollowFormat, followFunctionLogs } from "./follow.ts";

const { db } = await openTestStore(createTestDatabase);

function openStream(t: TestContext, format: FollowFormat = "ndjson") {
  const clock = createManualClock();
  const stop = new AbortController();
  t.after(() => stop.abort());
  const options = { functionId: newId(), after: { position: "0:0" }, format, clock, signal: stop.signal };
  const stream = followFunctionLogs(db, options);
  return { clock, stop, reader: stream.pipeThrough(new TextDecoderStream()).getReader() };
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
