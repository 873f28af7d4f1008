import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createQuiet } from "./quiet.ts";

test("it is quiet once no run has been open for ten seconds, and lively with the next one", async () => {
  const clock = createManualClock();
  const quiet = createQuiet(clock);
  let livened = 0;
  quiet.onLively(() => (livened += 1));
  const look = async (isAnyOpen: boolean, afterMs: number) => {
    await clock.advance(afterMs);
    quiet.note(isAnyOpen);
    return quiet.isQuiet();
  };
  assert.equal(await look(false, 9_999), false, "it has just begun to look");
  assert.equal(await look(true, 0), false);
  assert.equal(await look(false, 9_999), false);
  assert.equal(await look(false, 1), true);
  assert.equal(livened, 0);
  assert.equal(await look(true, 60_000), false);
  assert.equal(livened, 1);
  assert.equal(await look(false, 1_000), false, "it was open a second ago");
  assert.equal(livened, 1);
});
