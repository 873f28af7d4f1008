import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createQuiet } from "./quiet.ts";

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
