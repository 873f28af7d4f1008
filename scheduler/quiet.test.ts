import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { pollBells } from "../core/store/poll-bells.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createQuiet, type Found, type Quiet, stirAtFailures, untilRound } from "./quiet.ts";

const NOTHING = { hasWork: false, hasCalls: false, hasShares: false };

/** What jobs that rest a second do now: those for work, for runs, for shares. */
const rests = (quiet: Quiet) =>
  (["work", "runs", "shares"] as const).map((purpose) => quiet.stretch(1_000, purpose));

function open() {
  const clock = createManualClock();
  const quiet = createQuiet(clock);
  const told = { livened: 0 };
  quiet.onLively(() => (told.livened += 1));
  const look = async (found: Partial<Found>, afterMs: number) => {
    await clock.advance(afterMs);
    quiet.note({ ...NOTHING, ...found });
    return rests(quiet);
  };
  return { clock, quiet, told, look };
}

test("it is quiet once nothing was to be done for ten seconds, and lively as soon as something is", async () => {
  const { quiet, told, look } = open();
  const calling = { hasCalls: true, hasShares: true };
  assert.deepEqual(await look(calling, 9_999), [1_000, 1_000, 1_000], "it has just begun to look");
  assert.deepEqual(await look({ ...calling, hasWork: true }, 0), [1_000, 1_000, 1_000]);
  assert.deepEqual(await look(calling, 9_999), [1_000, 1_000, 1_000]);
  assert.deepEqual(await look(calling, 1), [10_000, 1_000, 1_000]);
  assert.equal(quiet.stretch(60_000), 180_000);
  assert.equal(told.livened, 0);
  assert.deepEqual(await look({ ...calling, hasWork: true }, 60_000), [1_000, 1_000, 1_000]);
  assert.equal(told.livened, 1);
  assert.deepEqual(await look(calling, 10_000), [10_000, 1_000, 1_000]);
  quiet.stir();
  assert.deepEqual([rests(quiet), told.livened], [[1_000, 1_000, 1_000], 2]);
});

test("it is asleep once no worker was called for ten seconds either, until one is", async () => {
  const { quiet, told, look } = open();
  assert.deepEqual(await look({ hasCalls: true }, 10_000), [10_000, 1_000, 60_000]);
  assert.deepEqual(await look({}, 9_999), [10_000, 1_000, 60_000]);
  assert.equal(quiet.isAsleep(), false);
  assert.deepEqual(await look({}, 1), [60_000, 60_000, 60_000]);
  assert.deepEqual([quiet.isAsleep(), quiet.stretch(3_600_000), told.livened], [true, 3_600_000, 0]);
  assert.deepEqual(
    [quiet.stretch(1_000, "work", 600_000), quiet.stretch(1_000, "runs", 600_000)],
    [600_000, 600_000],
  );
  assert.deepEqual(await look({ hasCalls: true }, 1_000), [10_000, 1_000, 60_000]);
  assert.deepEqual([quiet.isAsleep(), told.livened], [false, 1]);
});

test("shares of slots are followed whatever else goes on, where there are any", async () => {
  const { told, look } = open();
  assert.deepEqual(await look({}, 10_000), [60_000, 60_000, 60_000]);
  assert.deepEqual(await look({ hasShares: true }, 1_000), [60_000, 60_000, 1_000]);
  assert.equal(told.livened, 1);
  assert.deepEqual(await look({ hasWork: true }, 1_000), [1_000, 1_000, 60_000]);
});

/** Asleep, with jobs that take turns; one of them hangs. */
function openTurns() {
  const opened = open();
  const begun: string[] = [];
  const hanging = Promise.withResolvers<void>();
  const stopping = new AbortController();
  const take = (name: string) =>
    opened.quiet.inTurn(async () => {
      begun.push(name);
      if (name === "hangs") await hanging.promise;
      if (name === "fails") throw new Error(name);
    }, stopping.signal);
  return { ...opened, begun, hanging, stopping, take };
}

test("asleep, one begins after the other, until there is something to do", async () => {
  const { quiet, look, begun, hanging, take } = openTurns();
  await look({}, 10_000);
  const failing = assert.rejects(take("fails"));
  const all = [failing, take("second"), take("hangs"), take("waits")];
  await failing;
  await all[1];
  await setImmediate();
  assert.deepEqual(begun, ["fails", "second", "hangs"]);
  quiet.stir();
  await all[3];
  await take("lively");
  assert.deepEqual(begun.slice(3), ["waits", "lively"]);
  hanging.resolve();
  await Promise.all(all);
});

test("asleep, nobody waits for more than five seconds for one that hangs, nor all at once", async () => {
  const { clock, look, begun, hanging, take } = openTurns();
  await look({}, 10_000);
  const all = [take("hangs"), take("hangs"), take("waits")];
  await clock.advance(4_999);
  assert.deepEqual(begun, ["hangs"]);
  await clock.advance(5_000);
  assert.deepEqual(begun, ["hangs", "hangs"]);
  await clock.advance(1);
  assert.deepEqual(begun, ["hangs", "hangs", "waits"]);
  hanging.resolve();
  await Promise.all(all);
  assert.equal(clock.sleepers, 0);
});

test("asleep, who counts on its seconds waits for who has begun, for a moment; else for nobody", async () => {
  const { clock, quiet, look, begun, hanging, stopping, take } = openTurns();
  const act = (name: string) => quiet.promptly(async () => void begun.push(name), stopping.signal);
  const lively = [take("hangs"), act("at once")];
  await setImmediate();
  assert.deepEqual(begun, ["hangs", "at once"]);
  await look({}, 10_000);
  const all = [...lively, take("second"), take("hangs"), take("waits"), act("soon")];
  await clock.advance(100);
  assert.deepEqual(begun.slice(2), ["second", "soon", "hangs"]);
  all.push(act("in a moment"));
  await clock.advance(100);
  assert.deepEqual(begun.slice(5), ["in a moment"]);
  hanging.resolve();
  await Promise.all(all);
});

test("asleep, who waits for its turn does not begin once all are to stop", async () => {
  const { look, begun, hanging, stopping, take } = openTurns();
  await look({}, 10_000);
  const all = [take("hangs"), take("waits")];
  await setImmediate();
  stopping.abort();
  await all[1];
  hanging.resolve();
  await all[0];
  assert.deepEqual(begun, ["hangs"]);
});

test("loops that rest as long wake together", () => {
  assert.deepEqual([untilRound(60_000, 61_500), untilRound(60_000, 119_000)], [58_500, 1_000]);
  assert.equal(untilRound(60_000, 119_999), 60_001, "it has come with the round, a little early");
  assert.equal(untilRound(60_000, 120_000), 60_000);
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
    for (const quiet of [polled, told]) quiet.note(NOTHING);
  }
  assert.deepEqual([polled.isAsleep(), told.isAsleep()], [true, true]);
  for (const tell of handlers) tell({ ids: [], resync: false });
  assert.equal(told.isAsleep(), false);
});
