import assert from "node:assert/strict";
import { beforeEach, describe, it, test } from "node:test";
import { createVirtualTime, type VirtualTime } from "../core/schedule-time.ts";
import { finishAttempts } from "../core/store/runs/finish.ts";
import { listRuns } from "../core/store/runs/read.ts";
import { createTask } from "../core/store/tasks/create.ts";
import { claimDue, finished, type GivenTask, httpTask, makeWorker } from "../core/store/testing/samples.ts";
import { openTestStore } from "../core/store/testing/test-store.ts";
import { openVirtualClock, readVirtualClock } from "../core/store/virtual-clock.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createClockMover, decideMove, MAX_HOLD_MS } from "./move-clock.ts";
import { stagePass } from "./stage.ts";

const START = new Date("2027-03-01T12:00:00Z");
const at = (minutes: number) => new Date(START.getTime() + minutes * 60_000);

test("the clock goes from one instant at which a task fires to the next, and no further than it is to", () => {
  assert.deepEqual(decideMove(at(0), null, at(1)), { kind: "still" });
  assert.deepEqual(decideMove(at(0), at(0), at(1)), { kind: "reached" });
  assert.deepEqual(decideMove(at(0), at(5), null), { kind: "move", at: at(5), holdMs: 0 });
  assert.deepEqual(decideMove(at(0), at(5), at(6)), { kind: "move", at: at(5), holdMs: 0 });
  assert.deepEqual(decideMove(at(0), at(5), at(0.1)), { kind: "move", at: at(0.1), holdMs: 6_000 });
  assert.deepEqual(decideMove(at(0), at(5), at(5)), { kind: "move", at: at(5), holdMs: MAX_HOLD_MS });
  assert.deepEqual(decideMove(at(0), at(5), at(0)), { kind: "behind" }, "it is due, and could not be staged");
  assert.deepEqual(decideMove(at(0), at(0), at(-1)), { kind: "behind" });
});

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);

describe("an advance", () => {
  let namespaceId: string;
  let time: VirtualTime;
  const trueNow = new Date();
  let clock: ReturnType<typeof createManualClock>;

  beforeEach(async () => {
    await clear();
    await store.pool.query("DELETE FROM virtual_clock");
    namespaceId = await newNamespace();
    time = createVirtualTime(await openVirtualClock(store, START));
    clock = createManualClock(trueNow);
  });

  const everyMinute = (given: GivenTask = {}) =>
    createTask(store, {
      namespaceId,
      input: httpTask({ kind: "every", everyMs: 60_000 }, given),
      now: START,
    });

  /** A pass of the scheduler and what follows it; how long it would wait. */
  async function look(mover: ReturnType<typeof createClockMover>): Promise<number> {
    const { target } = time;
    await stagePass(store, clock, { time });
    const { rows } = await store.pool.query<{ next: Date | null }>(
      "SELECT min(next_run_at) AS next FROM tasks WHERE state = 'active'",
    );
    return await mover.moveOn(target, rows[0]!.next);
  }

  const runs = async () => (await listRuns(store, namespaceId, {}, { limit: 50, order: "asc" })).rows;
  const forever = new AbortController().signal;

  it("stages each instant at its time, due at once by the true clock, and stands where it was to", async () => {
    await everyMinute({ overlap: "allow" });
    const mover = createClockMover(store, clock, time);
    const advanced = time.advance(at(2.5), forever);
    for (const minutes of [1, 2, 2.5]) {
      assert.equal(await look(mover), 0);
      assert.deepEqual([time.now(), await readVirtualClock(store)], [at(minutes), at(minutes)]);
    }
    assert.equal(await look(mover), Number.POSITIVE_INFINITY);
    assert.deepEqual(await advanced, at(2.5));
    assert.deepEqual(
      (await runs()).map(({ state, scheduledFor }) => [state, scheduledFor]),
      [
        ["queued", at(1)],
        ["queued", at(2)],
      ],
    );
    const worker = await makeWorker(db);
    const claimed = await claimDue(store, worker, 10, 0);
    assert.equal(claimed.length, 2);
    for (const run of claimed) assert.deepEqual(run.limitsFrom, trueNow);
  });

  it("waits for a run that the next would overlap with, as long as lies between them by the clock", async () => {
    await everyMinute({ overlap: "skip" });
    const mover = createClockMover(store, clock, time);
    void time.advance(at(3), forever);
    assert.equal(await look(mover), 0);
    const [waitMs, stood] = [await look(mover), time.now()];
    assert.ok(waitMs > 0 && Number.isFinite(waitMs));
    assert.deepEqual(stood, at(1));
    const worker = await makeWorker(db);
    const [run] = await claimDue(store, worker, 10, 0);
    await finishAttempts(store, worker, [finished(run!, worker, { state: "succeeded", result: null })]);
    assert.equal(await look(mover), 0);
    assert.deepEqual(time.now(), at(2));
    assert.ok((await look(mover)) > 0, "the second run is open");
    clock.advance(MAX_HOLD_MS);
    assert.equal(await look(mover), 0);
    await look(mover);
    assert.deepEqual(
      (await runs()).map(({ state }) => state),
      ["succeeded", "queued", "skipped"],
    );
  });

  it("that is given up stops where it is; another may follow", async () => {
    const mover = createClockMover(store, clock, time);
    await everyMinute({ overlap: "allow" });
    const gone = new AbortController();
    const advanced = time.advance(at(10), gone.signal);
    await assert.rejects(time.advance(at(11), forever), { code: "clock_advancing", status: 409 });
    await look(mover);
    gone.abort();
    assert.deepEqual(await advanced, at(1));
    assert.equal(await look(mover), Number.POSITIVE_INFINITY);
    assert.deepEqual(time.now(), at(1));
    void time.advance(at(2), forever);
    await look(mover);
    assert.deepEqual(time.now(), at(2));
  });
});
