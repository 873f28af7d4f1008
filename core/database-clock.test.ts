import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClockedDatabase, setDatabaseClock } from "../test/support/clocked-database.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { alignOffset, openDatabaseClock } from "./database-clock.ts";
import { openTestStore } from "./store/testing/test-store.ts";

describe("alignOffset", () => {
  const look = (atMs: number, askedMs: number, heardMs: number) => ({ atMs, askedMs, heardMs });

  it("takes a first answer for one of the middle between question and answer", () => {
    assert.equal(alignOffset(undefined, look(10_000, 100, 300)), 9_800);
  });

  it("moves nothing where an answer that took long allows what is known", () => {
    assert.equal(alignOffset(9_800, look(12_000, 1_000, 9_000)), 9_800);
  });

  it("goes as far as an answer demands, and no further", () => {
    assert.equal(alignOffset(9_800, look(12_000, 1_000, 1_200)), 10_800);
    assert.equal(alignOffset(19_800, look(12_000, 1_000, 1_200)), 11_000);
  });
});

describe("the database's clock", () => {
  const START = new Date("2026-12-01T09:00:00Z");

  it("tells the database's time, whatever the machine's clock says, and follows where that leaps", async () => {
    const { store } = await openTestStore(createClockedDatabase);
    await setDatabaseClock(store, START);
    const machine = createManualClock();
    await using opened = new AsyncDisposableStack();
    const clock = await openDatabaseClock(opened, {
      ...{ store, until: (look) => look(), clock: machine },
    });
    assert.deepEqual(clock.now(), START);
    machine.set(new Date("2030-01-01T00:00:00Z"));
    await machine.advance(1_500);
    assert.deepEqual(clock.now(), new Date("2026-12-01T09:00:01.500Z"));
    const later = new Date("2026-12-01T12:00:00Z");
    await setDatabaseClock(store, later);
    await machine.advance(500);
    // The look is under way; the loop rests again when it was heard.
    await machine.waitForSleepers(1);
    assert.deepEqual(clock.now(), later);
    // It has moved: the next look comes as soon, and those after it less often.
    await setDatabaseClock(store, new Date(later.getTime() + 2_000));
    await machine.advance(2_000);
    await machine.waitForSleepers(1);
    await setDatabaseClock(store, START);
    await machine.advance(5_999);
    assert.deepEqual(clock.now(), new Date(later.getTime() + 7_999));
    await machine.advance(1);
    await machine.waitForSleepers(1);
    assert.deepEqual(clock.now(), START);
  });

  it("begins with what was heard before, and looks a moment later", async () => {
    const { store } = await openTestStore(createClockedDatabase);
    await setDatabaseClock(store, START);
    const machine = createManualClock();
    await using opened = new AsyncDisposableStack();
    const nowMs = machine.steadyMs();
    const known = { atMs: START.getTime() - 1_000, askedMs: nowMs, heardMs: nowMs };
    const until = () => assert.fail("nothing is looked up at once");
    const clock = await openDatabaseClock(opened, { store, known, until, clock: machine });
    assert.deepEqual(clock.now(), new Date(START.getTime() - 1_000));
    await machine.advance(2_000);
    await machine.waitForSleepers(1);
    assert.deepEqual(clock.now(), START);
  });

  it("is put right by what others hear, and then looks that much later itself", async () => {
    const { store } = await openTestStore(createClockedDatabase);
    await setDatabaseClock(store, START);
    const machine = createManualClock();
    await using opened = new AsyncDisposableStack();
    const clock = await openDatabaseClock(opened, {
      ...{ store, until: (look) => look(), clock: machine },
    });
    const later = new Date("2026-12-01T12:00:00Z");
    await machine.advance(1_999);
    clock.hear({ at: later }, machine.steadyMs());
    assert.deepEqual(clock.now(), later);
    await machine.advance(1_999);
    assert.deepEqual(clock.now(), new Date(later.getTime() + 1_999));
    await machine.advance(1);
    await machine.waitForSleepers(1);
    assert.deepEqual(clock.now(), START);
  });

  it("ticks no more where the start is stopped right after its first look", async () => {
    const { store } = await openTestStore(createClockedDatabase);
    const machine = createManualClock();
    const stopped = new Error("stopped");
    const starting = async () => {
      await using opened = new AsyncDisposableStack();
      const until = async (look: () => Promise<void>) => {
        await look();
        throw stopped;
      };
      await openDatabaseClock(opened, { store, until, clock: machine });
    };
    await assert.rejects(starting(), stopped);
    assert.equal(machine.sleepers, 0);
  });
});
