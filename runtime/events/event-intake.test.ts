import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bell } from "../../core/queue/transport.ts";
import { newId } from "../../core/store/ids.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { createSlots } from "../slots.ts";
import { claimedRun } from "../testing/claimed-run.ts";
import { createEventIntake, EVENT_WAIT_MS, type EventOutcome, type RunEnd } from "./event-intake.ts";

const WINDOW_MS = 60_000;

/** A table of queued runs in memory; `end` ends a run under way. */
function openIntake(slotCount: number) {
  const clock = createManualClock();
  const slots = createSlots(slotCount);
  const queued = new Map<string, { atMs: number; timeoutMs: number }>();
  /** Due, and held by somebody's transaction. */
  const locked = new Set<string>();
  const claims: string[][] = [];
  const running = new Map<string, (end: RunEnd | Error) => void>();
  const rung: { bells: Bell[]; lane: string }[] = [];
  const errors: unknown[] = [];
  const faults: { claim?: Error | undefined; look?: Error | undefined; ring?: Error | undefined } = {};
  /** Runs that a claim brings in the place of those it names. */
  const instead = new Map<string, ClaimedRun>();
  let gate: Promise<void> | undefined;
  const nowMs = () => clock.now().getTime();

  const intake = createEventIntake({
    ...{ windowMs: WINDOW_MS, clock, slots },
    async claimRuns(ids) {
      claims.push(ids);
      await gate;
      if (faults.claim) throw faults.claim;
      return ids.flatMap((id) => {
        const other = instead.get(id);
        if (other) return [other];
        const run = queued.get(id);
        if (!run || locked.has(id) || run.atMs > nowMs() || run.timeoutMs > WINDOW_MS) return [];
        queued.delete(id);
        return [claimedRun({ id, timeoutMs: run.timeoutMs })];
      });
    },
    async findEarlyRuns(ids) {
      if (faults.look) throw faults.look;
      return ids.flatMap((id) => {
        const run = queued.get(id);
        if (!run) return [];
        const waitMs = Math.max(0, run.atMs - nowMs());
        return [{ id, availableAt: new Date(run.atMs), waitMs, timeoutMs: run.timeoutMs }];
      });
    },
    work: (run) =>
      new Promise<RunEnd>((resolve, reject) => {
        running.set(run.id, (end) => {
          running.delete(run.id);
          slots.release(1);
          if (end instanceof Error) reject(end);
          else resolve(end);
        });
      }),
    async ring(bells, lane) {
      if (faults.ring) throw faults.ring;
      rung.push({ bells, lane });
    },
    onError: (error) => void errors.push(error),
  });

  return {
    ...{ clock, slots, locked, claims, running, rung, errors, faults, instead, intake },
    /** Queues a run that is due `inMs` from now; its bell. */
    queue(inMs = 0, timeoutMs = 30_000): Bell {
      const runId = newId();
      queued.set(runId, { atMs: nowMs() + inMs, timeoutMs });
      return { runId, availableAt: new Date(nowMs() + inMs) };
    },
    end: (runId: string, end: RunEnd | Error = "recorded") => running.get(runId)!(end),
    hold(): () => void {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      return () => {
        gate = undefined;
        held.resolve();
      };
    },
  };
}

/** Lets time pass, and claims that begin at its end come to theirs. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  await clock.advance(ms);
  await clock.advance(0);
}

/** Undefined while the event is not answered. */
function watch(taking: Promise<EventOutcome>): { outcome?: EventOutcome } {
  const watched: { outcome?: EventOutcome } = {};
  void taking.then((outcome) => {
    watched.outcome = outcome;
  });
  return watched;
}

test("an event is answered when its run has ended, and not before", async () => {
  const { intake, clock, slots, queue, end } = openIntake(3);
  const bell = queue();
  const event = watch(intake.take(bell));
  await clock.advance(50_000);
  assert.equal(event.outcome, undefined);
  assert.equal(slots.free(), 2);
  end(bell.runId);
  await clock.advance(0);
  assert.equal(event.outcome, "recorded");
  assert.equal(slots.free(), 3);
});

test("events that arrive together are one claim; what arrives meanwhile is the next", async () => {
  const { intake, clock, claims, queue, running, hold } = openIntake(10);
  const first = [queue(), queue(), queue()];
  const goOn = hold();
  for (const bell of first) void intake.take(bell);
  await clock.advance(0);
  const later = [queue(), queue()];
  for (const bell of later) void intake.take(bell);
  await clock.advance(0);
  goOn();
  await clock.advance(0);
  const idsOf = (bells: Bell[]) => bells.map(({ runId }) => runId);
  assert.deepEqual(claims, [idsOf(first), idsOf(later)]);
  assert.equal(running.size, 5);
});

test("an event has a slot from its arrival, or is refused at once", async () => {
  const { intake, clock, slots, claims, queue, end } = openIntake(2);
  const taken = [queue(), queue()];
  for (const bell of taken) void intake.take(bell);
  assert.equal(slots.free(), 0, "the slots are taken before the claim");
  assert.equal(await intake.take(queue()), "full");
  await clock.advance(0);
  end(taken[0]!.runId);
  await clock.advance(0);
  const next = queue();
  void intake.take(next);
  await clock.advance(0);
  assert.deepEqual(claims.at(-1), [next.runId]);
  assert.equal(slots.free(), 0);
});

test("a run that is taken or gone is answered at once, and a double event once its twin has started", async () => {
  const { intake, clock, slots, queue, running } = openIntake(3);
  assert.equal(await intake.take({ runId: newId(), availableAt: new Date(0) }), "not_waiting");
  const bell = queue();
  const events = [watch(intake.take(bell)), watch(intake.take(bell))];
  await clock.advance(0);
  assert.deepEqual(events.map(({ outcome }) => outcome ?? "open").sort(), ["not_waiting", "open"]);
  assert.equal(running.size, 1);
  assert.equal(slots.free(), 2);
});

test("an early event waits for the instant, its bell's or the table's, in its slot", async () => {
  const { intake, clock, slots, queue, running } = openIntake(2);
  const byBell = queue(15);
  const byTable = { ...queue(300), availableAt: clock.now() };
  for (const bell of [byBell, byTable]) void intake.take(bell);
  await clock.advance(14);
  assert.equal(running.size, 0);
  assert.equal(slots.free(), 0);
  await pass(clock, 1);
  assert.deepEqual([...running.keys()], [byBell.runId]);
  await pass(clock, 285);
  assert.equal(running.size, 2);
});

test("a run whose instant is far is left to the scheduler's next bell, whoever knows it", async () => {
  const { intake, clock, slots, claims, queue } = openIntake(1);
  assert.equal(await intake.take(queue(EVENT_WAIT_MS + 1)), "later");
  assert.deepEqual(claims, []);
  const event = watch(intake.take({ ...queue(3_600_000), availableAt: clock.now() }));
  await clock.advance(0);
  assert.equal(event.outcome, "later");
  assert.equal(slots.free(), 1);
});

test("a run whose row is locked for a moment is tried again, and not for ever", async () => {
  const { intake, clock, slots, locked, claims, queue, running } = openIntake(2);
  const [moment, ever] = [queue(), queue()];
  for (const { runId } of [moment, ever]) locked.add(runId);
  void intake.take(moment);
  const event = watch(intake.take(ever));
  await pass(clock, 2);
  locked.delete(moment.runId);
  for (let ms = 0; ms < EVENT_WAIT_MS; ms += 1) await pass(clock, 1);
  assert.deepEqual([...running.keys()], [moment.runId]);
  assert.ok(claims.length < 60, `${claims.length} claims for a row that stays locked`);
  assert.equal(event.outcome, "later");
  assert.equal(slots.free(), 1);
});

test("runs that may outlast the window are never claimed: their bells go to the lane of long runs", async () => {
  const { intake, clock, slots, rung, queue, running } = openIntake(5);
  const long = [queue(0, WINDOW_MS + 1), queue(0, 3_600_000)];
  const exact = queue(0, WINDOW_MS);
  const events = long.map((bell) => watch(intake.take(bell)));
  void intake.take(exact);
  await clock.advance(0);
  assert.deepEqual(
    events.map(({ outcome }) => outcome),
    ["long_run", "long_run"],
  );
  assert.deepEqual(rung, [{ bells: long, lane: "long-runs" }]);
  assert.deepEqual([...running.keys()], [exact.runId]);
  assert.equal(slots.free(), 4);
});

test("a long run whose bell could not be sent is not answered for", async () => {
  const { intake, errors, faults, slots, queue } = openIntake(1);
  faults.ring = new Error("no broker");
  assert.equal(await intake.take(queue(0, WINDOW_MS + 1)), "failed");
  assert.deepEqual(errors, [faults.ring]);
  assert.equal(slots.free(), 1);
});

test("a claim that fails is reported; the sender tries again", async () => {
  const { intake, errors, faults, slots, queue } = openIntake(2);
  faults.claim = new Error("connection lost");
  const outcomes = await Promise.all([intake.take(queue()), intake.take(queue())]);
  assert.deepEqual(outcomes, ["failed", "failed"]);
  assert.deepEqual(errors, [faults.claim]);
  assert.equal(slots.free(), 2);
});

test("what was claimed runs, also where the look at the others fails", async () => {
  const { intake, clock, faults, running, slots, queue } = openIntake(2);
  faults.look = new Error("connection lost");
  const bell = queue();
  const other = watch(intake.take({ runId: newId(), availableAt: new Date(0) }));
  const event = watch(intake.take(bell));
  await clock.advance(0);
  assert.deepEqual([...running.keys()], [bell.runId]);
  assert.deepEqual([other.outcome, event.outcome], ["failed", undefined]);
  assert.equal(slots.free(), 1);
});

test("an event waits for the run that came in its own one's place", async () => {
  const { intake, clock, slots, instead, queue, end } = openIntake(1);
  const other = claimedRun();
  const bell = { runId: newId(), availableAt: new Date(0) };
  instead.set(bell.runId, other);
  const event = watch(intake.take(bell));
  await clock.advance(0);
  assert.equal(event.outcome, undefined);
  end(other.id);
  await clock.advance(0);
  assert.equal(event.outcome, "recorded");
  assert.equal(slots.free(), 1);
  assert.equal(await intake.take(queue(10_000)), "later");
});

test("a run that is given back, or left to its lease, is told apart", async () => {
  const { intake, clock, queue, end, errors } = openIntake(2);
  const [back, left] = [queue(), queue()];
  const events = [back, left].map((bell) => watch(intake.take(bell)));
  await clock.advance(0);
  end(back.runId, "given_back");
  end(left.runId, new Error("a bug"));
  await clock.advance(0);
  assert.deepEqual(
    events.map(({ outcome }) => outcome),
    ["given_back", "failed"],
  );
  assert.equal(errors.length, 1);
});

test("who asks for the claim under way hears when it has begun what it found", async () => {
  const { intake, clock, queue, running, hold } = openIntake(2);
  await intake.whenClaimed();
  const bell = queue();
  const goOn = hold();
  void intake.take(bell);
  await clock.advance(0);
  const claimed = intake.whenClaimed().then(() => [...running.keys()]);
  goOn();
  assert.deepEqual(await claimed, [bell.runId]);
});

test("close refuses what waits and what comes; what was claimed goes on", async () => {
  const { intake, clock, slots, queue, hold, running, end } = openIntake(5);
  const early = watch(intake.take(queue(1_000)));
  const goOn = hold();
  const bell = queue();
  const event = watch(intake.take(bell));
  await clock.advance(0);
  const behind = watch(intake.take(queue()));
  const closing = intake.close();
  goOn();
  await closing;
  await clock.advance(0);
  assert.deepEqual([early.outcome, behind.outcome, event.outcome], ["draining", "draining", undefined]);
  assert.equal(await intake.take(queue()), "draining");
  assert.deepEqual([...running.keys()], [bell.runId]);
  end(bell.runId);
  await clock.advance(0);
  assert.equal(event.outcome, "recorded");
  assert.equal(slots.free(), 5);
});
