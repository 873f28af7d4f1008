import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClosedRuns } from "../core/store/joins/joinable-runs.ts";
import type { StagedRun } from "../core/store/runs/staged-run.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createRecording } from "../test/support/recording.ts";
import { decideRestMs, startCloseLoop } from "./close-joinable.ts";
import { ASLEEP_MS, createQuiet } from "./quiet.ts";

test("it rests until the next instant, and no longer than a bell may be lost", () => {
  const rest = (nextInMs: number | null) => decideRestMs({ runs: [], nextInMs });
  assert.deepEqual([rest(300), rest(null), rest(5_000), rest(-40)], [300, 1_000, 1_000, 5]);
});

test("what is closed is rung, a failed look is told of, and the next one comes", async () => {
  const clock = createManualClock();
  const run: StagedRun = { runId: "1", availableAt: clock.now() };
  const answers: (ClosedRuns | Error)[] = [
    { runs: [], nextInMs: 400 },
    { runs: [run], nextInMs: null },
    new Error("away"),
    { runs: [], nextInMs: null },
  ];
  const looks = createRecording<number>("look");
  const told: unknown[] = [];
  const loop = startCloseLoop(
    clock,
    async () => {
      const answer = answers[looks.items.length];
      looks.add(looks.items.length);
      if (answer instanceof Error) throw answer;
      return answer ?? { runs: [], nextInMs: null };
    },
    createQuiet(clock),
    { closed: (runs) => told.push(runs), failed: (error) => told.push(error) },
  );
  for (const [count, restMs] of [
    [1, 400],
    [2, 1_000],
    [3, 500],
    [4, 0],
  ] as const) {
    await looks.waitFor(() => true, { count });
    await clock.waitForSleepers(1);
    if (restMs > 0) await clock.advance(restMs);
  }
  assert.deepEqual(told, [[run], answers[2]]);
  loop.wake();
  await looks.waitFor(() => true, { count: 5 });
  await loop.stop();
});

test("where nothing waits and nothing goes on it rests for longer, until something does", async () => {
  const clock = createManualClock();
  const quiet = createQuiet(clock);
  const looks = createRecording<number>("look");
  const close = async (): Promise<ClosedRuns> => {
    looks.add(looks.items.length);
    return { runs: [], nextInMs: null };
  };
  await clock.advance(60_000);
  quiet.note({ hasWork: false, hasCalls: false, hasShares: false });
  const loop = startCloseLoop(clock, close, quiet, { closed: () => {}, failed: () => {} });
  await looks.waitFor(() => true, { count: 1 });
  await clock.waitForSleepers(1);
  await clock.advance(ASLEEP_MS - 1);
  assert.equal(looks.items.length, 1);
  quiet.stir();
  await looks.waitFor(() => true, { count: 2 });
  await loop.stop();
});

test("asleep, a bell and an instant wait for no job that is at work", async () => {
  const clock = createManualClock();
  const quiet = createQuiet(clock);
  let looks = 0;
  const close = async (): Promise<ClosedRuns> => ({ runs: [], nextInMs: ++looks === 2 ? 300 : null });
  await clock.advance(60_000);
  quiet.note({ hasWork: false, hasCalls: false, hasShares: false });
  const loop = startCloseLoop(clock, close, quiet, { closed: () => {}, failed: assert.fail });
  await clock.advance(0);
  const hanging = Promise.withResolvers<void>();
  const job = quiet.inTurn(() => hanging.promise, new AbortController().signal);
  loop.wake();
  await clock.advance(0);
  assert.equal(looks, 2);
  await clock.advance(300);
  assert.equal(looks, 3);
  hanging.resolve();
  await Promise.all([job, loop.stop()]);
});
