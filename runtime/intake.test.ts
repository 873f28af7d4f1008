import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bell } from "../core/queue/transport.ts";
import { newId } from "../core/store/ids.ts";
import type { Claim, ClaimedRun } from "../core/store/runs/claim.ts";
import { SWEEP_OVERDUE_MS } from "../core/store/runs/find-claimable.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { GATHER_MS } from "./batch-in-backlog.ts";
import { type ClaimSource, createIntake, IntakeClosed, LEFT_OVER_MS } from "./intake.ts";
import { createSlots } from "./slots.ts";
import { claimedRun } from "./testing/claimed-run.ts";

/** Queued runs in memory, by a clock that the test moves. */
function createTable() {
  const clock = createManualClock();
  /** Run id → the instant from which it may be claimed, in ms of the clock. */
  const queued = new Map<string, number>();
  /** Found by a claim they wait for room in their function, and are not seen again. */
  const limited = new Set<string>();
  /** Other transactions have their rows: no claim sees them. */
  const locked = new Set<string>();
  const nowMs = () => clock.now().getTime();
  return {
    clock,
    queued,
    limited,
    locked,
    nowMs,
    /** Queues a run that is due `inMs` from now; its bell. */
    queue(inMs = 0, runId = newId()): Bell {
      queued.set(runId, nowMs() + inMs);
      return { runId, availableAt: new Date(nowMs() + inMs) };
    },
    claim(ids: string[]): Claim {
      for (const id of ids) queued.delete(id);
      const taken = ids.filter((id) => !limited.has(id));
      return { runs: taken.map((id) => claimedRun({ id })), found: ids.length };
    },
  };
}

/** An intake that claims from the table. */
function openIntake(slotCount: number, { table = createTable(), bellsAreHints = true } = {}) {
  const { clock, queued, locked, nowMs } = table;
  const openedAtMs = nowMs();
  const slots = createSlots(slotCount);
  const claims: { ids?: string[]; limit?: number; overdueMs?: number }[] = [];
  /** When each claim was asked for, in ms since the intake was opened. */
  const claimedAtMs: number[] = [];
  const started: ClaimedRun[] = [];
  const errors: unknown[] = [];
  /** While set, every claim has looked and waits with its answer. */
  let gate: Promise<void> | undefined;
  let fault: Error | undefined;
  let failsOnce = false;

  async function take(ids: string[]): Promise<Claim> {
    claimedAtMs.push(nowMs() - openedAtMs);
    const failure = fault;
    if (failsOnce) fault = undefined;
    const claim = failure ? undefined : table.claim(ids.filter((id) => !locked.has(id)));
    await gate;
    if (!claim) throw failure;
    return claim;
  }
  const source: ClaimSource = {
    async claimRuns(ids) {
      claims.push({ ids });
      return (await take(ids.filter((id) => (queued.get(id) ?? Number.POSITIVE_INFINITY) <= nowMs()))).runs;
    },
    async claimDueRuns(limit, overdueMs) {
      claims.push({ limit, overdueMs });
      const due = [...queued]
        .filter(([id, atMs]) => atMs <= nowMs() - overdueMs && !locked.has(id))
        .sort(([, a], [, b]) => a - b)
        .slice(0, limit);
      return await take(due.map(([id]) => id));
    },
    async findEarlyRuns(ids) {
      return ids.flatMap((id) => {
        const atMs = queued.get(id);
        return atMs === undefined
          ? []
          : [{ id, availableAt: new Date(atMs), waitMs: Math.max(0, atMs - nowMs()), timeoutMs: 30_000 }];
      });
    },
    async msUntilNextQueued() {
      return queued.size === 0 ? null : Math.max(0, Math.min(...queued.values()) - nowMs());
    },
  };
  const intake = createIntake({
    ...{ source, slots, clock, bellsAreHints },
    start: (run) => void started.push(run),
    onError: (error) => void errors.push(error),
  });
  return {
    clock,
    slots,
    claims,
    claimedAtMs,
    started,
    errors,
    intake,
    queue: table.queue,
    limited: table.limited,
    locked,
    startedIds: () => started.map(({ id }) => id),
    hold(): () => void {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      return () => {
        gate = undefined;
        held.resolve();
      };
    },
    failWith(error: Error | undefined, { once = false } = {}) {
      fault = error;
      failsOnce = once;
    },
  };
}

/** Whether the promise is settled once everything that can go on has gone on. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const mark = () => {
    settled = true;
  };
  promise.then(mark, mark);
  await new Promise(setImmediate);
  return settled;
}

const idsOf = (bells: Bell[]) => bells.map(({ runId }) => runId);

test("bells that ring in one turn become one claim", async () => {
  const { intake, claims, queue, startedIds } = openIntake(10);
  const bells = [queue(), queue(), queue()];
  await Promise.all(bells.map((bell) => intake.onBells([bell])));
  assert.deepEqual(startedIds(), idsOf(bells));
  assert.ok(
    claims.length <= 2,
    `one claim for the first bell, one for the rest; there were ${claims.length}`,
  );
});

test("what rings while a claim is under way joins the next one", async () => {
  const { intake, claims, queue, hold } = openIntake(10);
  const first = queue();
  const others = [queue(), queue(), queue()];
  const goOn = hold();
  const dealt = [intake.onBells([first]), ...others.map((bell) => intake.onBells([bell]))];
  goOn();
  await Promise.all(dealt);
  assert.deepEqual(claims, [{ ids: [first.runId] }, { ids: idsOf(others) }]);
});

test("never asks for more than the free slots; a bell that finds none waits for one", async () => {
  const { intake, slots, claims, queue, started } = openIntake(2);
  const bells = Array.from({ length: 5 }, () => queue());
  const dealt = intake.onBells(bells);
  assert.equal(await isSettled(dealt), false, "back-pressure: two of five bells are claimed");
  assert.equal(started.length, 2);
  assert.equal(slots.free(), 0);
  slots.release(1);
  await isSettled(dealt);
  assert.equal(started.length, 3);
  slots.release(2);
  await dealt;
  assert.equal(started.length, 5);
  assert.deepEqual(
    claims.map(({ limit }) => limit),
    [2, 1, 2],
  );
});

test("a claim asks for 500 runs at most", async () => {
  const { intake, claims, queue, started } = openIntake(2_000);
  await intake.onBells(Array.from({ length: 1_200 }, () => queue()));
  assert.equal(started.length, 1_200);
  assert.deepEqual(
    claims.map(({ ids }) => ids?.length),
    [500, 500, 200],
  );
});

test("a bell that rings early is acknowledged at once and claimed at its instant", async () => {
  const { intake, clock, claims, queue, startedIds } = openIntake(10);
  const bell = queue(200);
  await intake.onBells([bell]);
  await clock.advance(199);
  assert.deepEqual(claims, []);
  await clock.advance(1);
  assert.deepEqual(startedIds(), [bell.runId]);
});

test("bells of one instant that ring early, in whatever batches, share one timer and one claim", async () => {
  const { intake, clock, claims, queue, startedIds } = openIntake(10);
  const bells = [queue(15), queue(15), queue(15)];
  const later = queue(16);
  await intake.onBells(bells.slice(0, 2));
  await clock.advance(5);
  await intake.onBells([later, ...bells.slice(2)]);
  assert.equal(clock.sleepers, 2);
  await clock.advance(10);
  assert.deepEqual(claims, [{ ids: idsOf(bells) }]);
  await clock.advance(1);
  assert.deepEqual(startedIds(), idsOf([...bells, later]));
});

test("an early bell that rings after the clock was set ahead waits for no timer from before", async () => {
  const { intake, clock, queue, startedIds } = openIntake(10);
  const { runId, availableAt } = queue(10_500);
  await intake.onBells([{ runId: newId(), availableAt }]);
  clock.set(new Date(clock.now().getTime() + 10_000));
  await intake.onBells([{ runId, availableAt }]);
  await clock.advance(500);
  assert.deepEqual(startedIds(), [runId]);
});

test("a run that the table says is early is held until its instant, whatever its bell said", async () => {
  const { intake, clock, queue, startedIds } = openIntake(10);
  const { runId } = queue(300);
  await intake.onBells([{ runId, availableAt: clock.now() }]);
  await clock.advance(299);
  assert.deepEqual(startedIds(), []);
  await clock.advance(1);
  assert.deepEqual(startedIds(), [runId]);
});

/** When a row that stays locked is looked at, in ms from the first time: at last every 128 ms. */
const LOCKED_LOOKS_MS = [0, 1, 3, 7, 15, 31, 63, 127, 255, 383, 511];

test("a run whose row is locked is looked at again, less and less often", async () => {
  const { intake, clock, claimedAtMs, queue, locked, startedIds } = openIntake(10);
  const bell = queue();
  locked.add(bell.runId);
  await intake.onBells([bell]);
  await clock.advance(600);
  assert.deepEqual(claimedAtMs, LOCKED_LOOKS_MS);
  locked.clear();
  await clock.advance(39);
  assert.deepEqual(startedIds(), [bell.runId], "within 128 ms of the lock's end");
});

test("a locked row that is found in a backlog is looked at again, less and less often", async () => {
  const { intake, clock, claimedAtMs, queue, locked } = openIntake(1);
  const bell = queue();
  locked.add(bell.runId);
  await intake.onBells([bell, { runId: newId(), availableAt: clock.now() }]);
  await clock.advance(600);
  assert.deepEqual(claimedAtMs, LOCKED_LOOKS_MS);
});

test("each run whose row is locked has its own wait, which is short again after it was claimed", async () => {
  const { intake, clock, claims, queue, locked, startedIds } = openIntake(10);
  const [other, bell] = [queue(), queue()];
  locked.add(other.runId).add(bell.runId);
  await intake.onBells([other]);
  await clock.advance(200);
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    locked.add(bell.runId);
    const before = claims.length;
    await intake.onBells([{ ...bell, availableAt: clock.now() }]);
    await clock.advance(3);
    assert.deepEqual(claims.slice(before), Array(3).fill({ ids: [bell.runId] }), `attempt ${attempt}`);
    locked.delete(bell.runId);
    await clock.advance(4);
    assert.deepEqual(startedIds(), Array(attempt).fill(bell.runId));
    queue(0, bell.runId);
  }
});

test("a run whose row is locked is looked at once more when it rings again, and no more often after that", async () => {
  const { intake, clock, claimedAtMs, queue, locked } = openIntake(10);
  const bell = queue();
  locked.add(bell.runId);
  await intake.onBells([bell]);
  await clock.advance(300);
  for (let count = 0; count < 5; count += 1) await intake.onBells([bell]);
  await clock.advance(300);
  const rungAgain = Array(5).fill(300);
  assert.deepEqual(
    claimedAtMs,
    [...LOCKED_LOOKS_MS, ...rungAgain].toSorted((a, b) => a - b),
  );
});

test("where no bells are heard, too, a locked row is looked for less and less often, until something is found", async () => {
  const { intake, clock, claimedAtMs, queue, locked, startedIds } = openIntake(10);
  locked.add(queue().runId);
  intake.onHint();
  await clock.advance(600);
  assert.deepEqual(claimedAtMs, LOCKED_LOOKS_MS);
  const found = queue();
  intake.onHint();
  await clock.advance(7);
  assert.deepEqual(startedIds(), [found.runId]);
  assert.deepEqual(claimedAtMs.slice(LOCKED_LOOKS_MS.length), [600, 601, 603, 607]);
});

test("a bell far ahead is not held in memory; it is left to the sweep", async () => {
  const { intake, clock, claims, queue, startedIds } = openIntake(10);
  const bell = queue(3_600_000);
  await intake.onBells([bell]);
  await clock.advance(3_600_000 + SWEEP_OVERDUE_MS);
  assert.deepEqual(claims, []);
  intake.sweep();
  await clock.advance(0);
  assert.deepEqual(startedIds(), [bell.runId]);
});

test("a double bell starts its run once, in one batch and in two", async () => {
  const { intake, slots, claims, queue, startedIds } = openIntake(10);
  const bell = queue();
  await intake.onBells([bell, bell, bell]);
  await intake.onBells([bell]);
  assert.deepEqual(startedIds(), [bell.runId]);
  assert.deepEqual(claims[0]?.ids, [bell.runId]);
  assert.equal(slots.free(), 9);
});

test("a bell whose run is gone is acknowledged and takes no slot", async () => {
  const { intake, slots, started } = openIntake(1);
  await intake.onBells([{ runId: newId(), availableAt: new Date(0) }]);
  assert.equal(started.length, 0);
  assert.equal(slots.free(), 1);
});

test("no bells, no claim", async () => {
  const { intake, claims } = openIntake(1);
  await intake.onBells([]);
  assert.deepEqual(claims, []);
});

test("a hint claims until less than asked comes back", async () => {
  const { intake, clock, claims, queue, started } = openIntake(1_000);
  for (let count = 0; count < 700; count += 1) queue();
  intake.onHint();
  await clock.advance(0);
  assert.equal(started.length, 700);
  assert.deepEqual(claims, [
    { limit: 500, overdueMs: 0 },
    { limit: 500, overdueMs: 0 },
  ]);
});

test("in a backlog slots that become free one by one are filled together, or after a moment", async () => {
  const { intake, clock, claims, slots, queue } = openIntake(16);
  for (let count = 0; count < 40; count += 1) queue();
  intake.onHint();
  await clock.advance(0);
  slots.release(1);
  await clock.advance(0);
  assert.deepEqual(
    claims.map(({ limit }) => limit),
    [16],
    "one free slot waits",
  );
  slots.release(1);
  await clock.advance(0);
  assert.deepEqual(
    claims.map(({ limit }) => limit),
    [16, 2],
    "two are an eighth of all",
  );
  slots.release(1);
  await clock.advance(GATHER_MS - 1);
  assert.equal(claims.length, 2);
  await clock.advance(1);
  assert.deepEqual(
    claims.map(({ limit }) => limit),
    [16, 2, 1],
  );
});

test("in a backlog slots that become free in one turn are filled by one claim", async () => {
  const { intake, clock, claims, slots, queue } = openIntake(16);
  for (let count = 0; count < 40; count += 1) queue();
  intake.onHint();
  await clock.advance(0);
  for (let count = 0; count < 5; count += 1) slots.release(1);
  await clock.advance(0);
  assert.deepEqual(
    claims.map(({ limit }) => limit),
    [16, 5],
  );
});

test("there is a backlog until a search finds less than it asked for", async () => {
  const { intake, clock, slots, queue, hold } = openIntake(2);
  for (let count = 0; count < 3; count += 1) queue();
  assert.equal(intake.hasBacklog(), false);
  intake.onHint();
  await clock.advance(0);
  assert.equal(intake.hasBacklog(), true);
  const answer = hold();
  slots.release(2);
  await clock.advance(0);
  assert.equal(intake.hasBacklog(), true, "while the next one is under way");
  answer();
  await clock.advance(0);
  assert.equal(intake.hasBacklog(), false);
});

test("the last free slot is filled at once where no more runs are due than there is room for", async () => {
  const { intake, clock, claims, queue, started } = openIntake(16);
  for (let count = 0; count < 15; count += 1) queue();
  intake.onHint();
  await clock.advance(0);
  queue();
  intake.onHint();
  await clock.advance(0);
  assert.equal(started.length, 16);
  assert.deepEqual(
    claims.map(({ limit }) => limit),
    [16, 1],
  );
});

test("a hint with full slots is remembered until one is free", async () => {
  const { intake, clock, slots, queue, startedIds } = openIntake(1);
  const [first, second] = [queue(), queue()];
  intake.onHint();
  await clock.advance(0);
  assert.deepEqual(startedIds(), [first.runId]);
  slots.release(1);
  await clock.advance(0);
  assert.deepEqual(startedIds(), [first.runId, second.runId]);
});

test("after a hint the next instant is waited for, and the one after it", async () => {
  const { intake, clock, queue, startedIds } = openIntake(10);
  const bells = [queue(1_000), queue(2_500)];
  intake.onHint();
  await clock.advance(999);
  assert.deepEqual(startedIds(), []);
  await clock.advance(1);
  assert.deepEqual(startedIds(), [bells[0]!.runId]);
  await clock.advance(1_500);
  assert.deepEqual(startedIds(), idsOf(bells));
});

test("once bells name their runs the next instant is left to them", async () => {
  const { intake, clock, claims, queue, startedIds } = openIntake(10);
  intake.onHint();
  await clock.advance(0);
  const bell = queue();
  await intake.onBells([bell]);
  const [first, second] = [queue(1_000), queue(2_000)];
  intake.onHint();
  await clock.advance(3_000);
  assert.deepEqual(startedIds(), [bell.runId], "found by nobody before their bells ring");
  assert.equal(claims.filter(({ limit }) => limit !== undefined).length, 2, "one search for each hint");
  await intake.onBells([first, second]);
  assert.deepEqual(startedIds(), idsOf([bell, first, second]));
});

test("a hint of something sooner moves the timer forward", async () => {
  const { intake, clock, queue, startedIds } = openIntake(10);
  const later = queue(3_000);
  intake.onHint();
  await clock.advance(100);
  const sooner = queue(100);
  intake.onHint();
  await clock.advance(100);
  assert.deepEqual(startedIds(), [sooner.runId]);
  await clock.advance(2_800);
  assert.deepEqual(startedIds(), [sooner.runId, later.runId]);
});

test("a sweep takes what has been due for a while, and leaves the rest to its bell", async () => {
  const { intake, clock, claims, queue, startedIds } = openIntake(10);
  const lost = queue();
  await clock.advance(SWEEP_OVERDUE_MS);
  queue();
  intake.sweep();
  await clock.advance(0);
  assert.deepEqual(startedIds(), [lost.runId]);
  assert.deepEqual(claims, [{ limit: 10, overdueMs: SWEEP_OVERDUE_MS }]);
});

test("a sweep with no free slot asks nothing, then or later", async () => {
  const { intake, clock, slots, claims, queue } = openIntake(1);
  await intake.onBells([queue()]);
  queue(-SWEEP_OVERDUE_MS);
  intake.sweep();
  slots.release(1);
  await clock.advance(0);
  assert.equal(claims.length, 1, "the bell's own claim and no other");
});

test("close refuses further bells and lets the waiting ones go", async () => {
  const { intake, claims, queue } = openIntake(1);
  await intake.onBells([queue()]);
  const waiting = assert.rejects(intake.onBells([queue(), queue()]), IntakeClosed);
  await intake.close();
  await waiting;
  await assert.rejects(intake.onBells([queue()]), IntakeClosed);
  await assert.rejects(intake.onBells([]), IntakeClosed);
  intake.onHint();
  intake.sweep();
  assert.equal(claims.length, 1);
});

test("close resolves when the claim under way is done, and what it claimed is started", async () => {
  const { intake, queue, hold, startedIds } = openIntake(1);
  const bell = queue();
  const goOn = hold();
  const dealt = assert.rejects(intake.onBells([bell]), IntakeClosed);
  const closing = intake.close();
  assert.equal(await isSettled(closing), false);
  goOn();
  await closing;
  await dealt;
  assert.deepEqual(startedIds(), [bell.runId]);
});

test("who asks for the claim under way hears when it has begun what it found, or failed", async () => {
  const { intake, queue, hold, startedIds, failWith } = openIntake(2);
  await intake.whenClaimed();
  const bell = queue();
  let goOn = hold();
  intake.onHint();
  const claimed = intake.whenClaimed().then(startedIds);
  assert.equal(await isSettled(claimed), false);
  goOn();
  assert.deepEqual(await claimed, [bell.runId]);
  goOn = hold();
  failWith(new Error("connection lost"));
  intake.onHint();
  const failed = intake.whenClaimed();
  goOn();
  await failed;
});

test("close ends the timers: an early bell is not claimed any more", async () => {
  const { intake, clock, claims, queue } = openIntake(1);
  await intake.onBells([queue(500)]);
  intake.onHint();
  await clock.advance(0);
  const before = claims.length;
  await intake.close();
  await clock.advance(10_000);
  assert.equal(claims.length, before);
});

test("a claim that fails is reported and hangs nobody; the next sweep finds the runs", async () => {
  const { intake, clock, errors, slots, queue, startedIds, failWith } = openIntake(10);
  const fault = new Error("connection lost");
  failWith(fault);
  const bells = [queue(), queue()];
  await intake.onBells(bells);
  assert.deepEqual(errors, [fault]);
  assert.equal(slots.free(), 10);
  failWith(undefined);
  await clock.advance(SWEEP_OVERDUE_MS);
  intake.sweep();
  await clock.advance(0);
  assert.deepEqual(startedIds(), idsOf(bells));
});

test("a search that fails is reported and not repeated by itself", async () => {
  const { intake, clock, claims, errors, failWith } = openIntake(10);
  failWith(new Error("connection lost"));
  intake.onHint();
  await clock.advance(1_000);
  assert.equal(errors.length, 1);
  assert.equal(claims.length, 1);
});

test("a bell is heard at whatever moment of a claim's end it rings", async () => {
  for (let turns = 0; turns < 12; turns += 1) {
    const { intake, clock, queue, startedIds } = openIntake(10);
    const [first, second] = [queue(), queue()];
    const dealt = intake.onBells([first]);
    for (let turn = 0; turn < turns; turn += 1) await undefined;
    void intake.onBells([second]);
    await dealt;
    await clock.advance(0);
    assert.deepEqual(startedIds(), idsOf([first, second]), `${turns} turns after the first bell`);
  }
});

test("more bells than slots: the best runs start, whichever bells rang first, and their bells are dealt with", async () => {
  const { intake, slots, queue, startedIds, clock } = openIntake(2);
  const bells = [-10, -50, -30, -40, -20].map((inMs) => queue(inMs));
  const dealt = bells.map((bell) => intake.onBells([bell]));
  // The first bell finds two slots and no other bell, and is asked for by name.
  await clock.advance(0);
  const [young, oldest, middle, old, second] = idsOf(bells);
  assert.deepEqual(startedIds(), [young, oldest]);
  assert.deepEqual(await Promise.all(dealt.map(isSettled)), [true, true, false, false, false]);
  for (const expected of [old, middle, second]) {
    slots.release(1);
    await clock.advance(0);
    assert.equal(startedIds().at(-1), expected);
  }
  await Promise.all(dealt);
});

test("a run that was never rung comes before younger ones that were, and uses up a bell; theirs are not lost", async () => {
  const { intake, slots, queue, startedIds, clock } = openIntake(1);
  const silent = [queue(-1_000), queue(-900)];
  const bells = [queue(-30), queue(-20), queue(-10)];
  const dealt = intake.onBells(bells);
  await clock.advance(0);
  const expected = idsOf([...silent, ...bells]);
  for (let count = 1; count < 5; count += 1) {
    assert.deepEqual(startedIds(), expected.slice(0, count));
    slots.release(1);
    await clock.advance(0);
  }
  assert.deepEqual(startedIds(), expected, "two of them when no bell was left");
  await dealt;
});

test("a search that comes back short ends the backlog: bells of runs that are gone are dealt with at once", async () => {
  const { intake, slots, claims, queue, startedIds, clock } = openIntake(2);
  const gone = Array.from({ length: 700 }, () => ({ runId: newId(), availableAt: new Date(0) }));
  const last = queue();
  await intake.onBells([...gone, last]);
  assert.deepEqual(startedIds(), [last.runId]);
  assert.deepEqual(claims, [
    { limit: 2, overdueMs: 0 },
    { limit: 1, overdueMs: 0 },
  ]);
  assert.equal(slots.free(), 1);
  const next = queue();
  await intake.onBells([next]);
  assert.deepEqual(claims.at(-1), { ids: [next.runId] }, "by its name again");
  await clock.advance(0);
});

test("a run that its bell names too early keeps its timer also in a backlog", async () => {
  const { intake, queue, startedIds, clock } = openIntake(2);
  const due = queue();
  const early = queue(300);
  const bells = [due, { ...early, availableAt: clock.now() }, { runId: newId(), availableAt: clock.now() }];
  await intake.onBells(bells);
  assert.deepEqual(startedIds(), [due.runId]);
  await clock.advance(300);
  assert.deepEqual(startedIds(), idsOf([due, early]));
});

test("what rings while the table is searched is not dealt with by that search", async () => {
  const { intake, queue, startedIds, hold, clock } = openIntake(10);
  const goOn = hold();
  intake.onHint();
  await clock.advance(0);
  const late = queue();
  const dealt = intake.onBells([late]);
  goOn();
  await dealt;
  assert.deepEqual(startedIds(), [late.runId]);
});

test("runs that wait for room use up no slot and end no search", async () => {
  const { intake, queue, limited, startedIds, claims } = openIntake(2);
  const held = Array.from({ length: 4 }, () => queue(-100));
  for (const { runId } of held) limited.add(runId);
  const free = [queue(-50), queue(-40)];
  await intake.onBells([...free, ...held]);
  assert.deepEqual(startedIds(), idsOf(free));
  assert.deepEqual(
    claims.map(({ limit }) => limit),
    [2, 2, 2],
  );
});

test("a bell whose run went in another's place: who hears it takes what was left, though nothing rings for that", async () => {
  const table = createTable();
  const [busy, idle] = [openIntake(1, { table }), openIntake(4, { table })];
  const theirs = table.queue(-2_000);
  const mine = [table.queue(-1_000), table.queue(-900)];
  const dealt = busy.intake.onBells(mine);
  await table.clock.advance(0);
  assert.deepEqual(busy.startedIds(), [theirs.runId]);
  await idle.intake.onBells([theirs]);
  assert.deepEqual(idle.startedIds(), []);
  await table.clock.advance(LEFT_OVER_MS);
  assert.deepEqual(idle.startedIds(), idsOf(mine));
  busy.slots.release(1);
  await dealt;
  assert.deepEqual(busy.startedIds(), [theirs.runId]);
});

test("what is left over is looked for once for many bells, and never taken fresh from whoever its bell goes to", async () => {
  const { intake, clock, claims, queue, startedIds } = openIntake(10);
  const gone = () => ({ runId: newId(), availableAt: clock.now() });
  for (let count = 0; count < 5; count += 1) await intake.onBells([gone()]);
  await clock.advance(LEFT_OVER_MS / 2);
  const fresh = queue();
  await clock.advance(LEFT_OVER_MS / 2);
  assert.deepEqual(claims.slice(5), [{ limit: 10, overdueMs: LEFT_OVER_MS }]);
  assert.deepEqual(startedIds(), []);
  await intake.onBells([fresh]);
  assert.deepEqual(startedIds(), [fresh.runId]);
});

test("on the lane of long runs a bell is answered by its own run, however many wait", async () => {
  const { intake, clock, slots, claims, queue, startedIds } = openIntake(1, { bellsAreHints: false });
  queue(-5_000);
  const bells = [queue(-30), queue(-20)];
  const gone = { runId: newId(), availableAt: clock.now() };
  const dealt = intake.onBells([...bells, gone]);
  await clock.advance(0);
  slots.release(1);
  await clock.advance(0);
  slots.release(1);
  await dealt;
  await clock.advance(LEFT_OVER_MS);
  assert.deepEqual(startedIds(), idsOf(bells));
  assert.deepEqual(
    claims.map(({ ids }) => ids?.length),
    [1, 1, 1],
  );
});

test("on the lane of long runs a sweep has the next slot for what waits behind its bells, and then they go on", async () => {
  const { intake, clock, slots, queue, startedIds } = openIntake(1, { bellsAreHints: false });
  const bells = [queue(-30), queue(-20), queue(-10)];
  const behind = queue(-SWEEP_OVERDUE_MS);
  const dealt = intake.onBells(bells);
  await clock.advance(0);
  intake.sweep();
  for (const _ of bells) {
    slots.release(1);
    await clock.advance(0);
  }
  await dealt;
  const [first, ...others] = idsOf(bells);
  assert.deepEqual(startedIds(), [first, behind.runId, ...others]);
});

test("a sweep that gave all that was asked for goes on with the best that is due", async () => {
  const { intake, clock, slots, queue, startedIds, claims } = openIntake(1);
  const overdue = queue(-SWEEP_OVERDUE_MS);
  const [older, younger] = [queue(-20), queue(-10)];
  intake.sweep();
  await clock.advance(0);
  const dealt = intake.onBells([younger]);
  slots.release(1);
  await clock.advance(0);
  slots.release(1);
  await clock.advance(0);
  assert.deepEqual(startedIds(), idsOf([overdue, older, younger]));
  assert.ok(claims.every(({ ids }) => ids === undefined));
  await dealt;
});

test("a claim that fails in a backlog ends as many bells as it asked runs for; the sweep finds those runs", async () => {
  const { intake, clock, errors, slots, queue, startedIds, failWith } = openIntake(2);
  const fault = new Error("connection lost");
  failWith(fault, { once: true });
  const bells = [-30, -20, -10, -5].map((inMs) => queue(inMs));
  await intake.onBells(bells);
  assert.deepEqual(errors, [fault]);
  assert.deepEqual(
    startedIds(),
    idsOf(bells.slice(2)),
    "by their names: there were slots for all that still rang",
  );
  slots.release(2);
  await clock.advance(SWEEP_OVERDUE_MS);
  intake.sweep();
  await clock.advance(0);
  assert.deepEqual(startedIds(), idsOf([...bells.slice(2), ...bells.slice(0, 2)]));
});
