import assert from "node:assert/strict";
import { test } from "node:test";
import { pollBells } from "../core/store/poll-bells.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createQuiet, stirAtFailures } from "./quiet.ts";

test("it is quiet once nothing was to be done for ten seconds, and lively as soon as something is", async () => {
  const clock = createManualClock();
  const quiet = createQuiet(clock);
  let livened = 0;
  quiet.onLively(() => (livened += 1));
  const look = async (isAnyWork: boolean, afterMs: number) => {
    await clock.advance(afterMs);
    quiet.note(isAnyWork);
    return quiet.isQuiet();
  };
  assert.equal(await look(false, 9_999), false, "it has just begun to look");
  assert.equal(await look(true, 0), false);
  assert.equal(await look(false, 9_999), false);
  assert.equal(await look(false, 1), true);
  assert.equal(livened, 0);
  assert.equal(await look(true, 60_000), false);
  assert.equal(livened, 1);
  assert.equal(await look(false, 1_000), false, "there was some a second ago");
  assert.equal(livened, 1);
  assert.equal(quiet.stretch(1_000), 1_000);
  assert.equal(await look(false, 9_000), true);
  assert.deepEqual([quiet.stretch(1_000), quiet.stretch(60_000)], [10_000, 180_000]);
  quiet.stir();
  assert.deepEqual([quiet.isQuiet(), livened], [false, 2]);
});

test("a failure that is heard stirs; a listener that polls does not", async (t) => {
  const clock = createManualClock();
  const polling = pollBells(clock);
  t.after(() => polling.close());
  const [polled, told] = [createQuiet(clock), createQuiet(clock)];
  const handlers: Parameters<typeof polling.on>[1][] = [];
  stirAtFailures(polling, polled);
  stirAtFailures({ on: async (_channel, handler) => void handlers.push(handler) }, told);
  for (let second = 0; second < 11; second += 1) {
    await clock.advance(1_000);
    for (const quiet of [polled, told]) quiet.note(false);
  }
  assert.deepEqual([polled.isQuiet(), told.isQuiet()], [true, true]);
  for (const tell of handlers) tell({ ids: [], resync: false });
  assert.equal(told.isQuiet(), false);
});
