import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createManualClock } from "../test/support/manual-clock.ts";
import { startInstantLoop } from "./instant-loop.ts";
import { ASLEEP_MS, createQuiet } from "./quiet.ts";

/** Asleep, while a job of the round hangs. `rests`: what its looks answer. */
async function openAsleep(t: TestContext, rests: number[]) {
  const clock = createManualClock();
  const quiet = createQuiet(clock);
  let looks = 0;
  const look = async () => rests[looks++] ?? ASLEEP_MS;
  const loop = startInstantLoop(clock, quiet, look, { retryMs: 500, failed: assert.fail });
  const hanging = Promise.withResolvers<void>();
  const stopping = new AbortController();
  t.after(async () => {
    hanging.resolve();
    await loop.stop();
  });
  await clock.advance(10_000);
  quiet.note({ hasWork: false, hasCalls: false, hasShares: false });
  const looksAfter = async (ms: number) => {
    await clock.advance(ms);
    return looks;
  };
  const hang = () => void quiet.inTurn(() => hanging.promise, stopping.signal);
  return { loop, looksAfter, hang };
}

test("a look that came with its time waits for who is at work, for a moment", async (t) => {
  const { looksAfter, hang } = await openAsleep(t, []);
  assert.equal(await looksAfter(ASLEEP_MS - 10_001), 1);
  hang();
  assert.equal(await looksAfter(1), 1);
  assert.equal(await looksAfter(99), 1);
  assert.equal(await looksAfter(1), 2);
});

test("a look after a bell waits for nobody, nor one at an instant that it was resting for", async (t) => {
  const { loop, looksAfter, hang } = await openAsleep(t, [ASLEEP_MS, 300]);
  hang();
  loop.wake();
  assert.equal(await looksAfter(0), 2);
  assert.equal(await looksAfter(299), 2);
  assert.equal(await looksAfter(1), 3);
});

test("a look that waits when all are to stop does not begin", async (t) => {
  const { loop, looksAfter, hang } = await openAsleep(t, []);
  await looksAfter(ASLEEP_MS - 10_001);
  hang();
  await looksAfter(1);
  await loop.stop();
  assert.equal(await looksAfter(1_000), 1);
});
