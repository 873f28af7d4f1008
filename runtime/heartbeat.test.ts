import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { Store } from "../core/store/database.ts";
import { newId } from "../core/store/ids.ts";
import { openTestStore } from "../core/store/testing/test-store.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createHeartbeat } from "./heartbeat.ts";
import { createWorkerLease } from "./lease.ts";
import { createSlots } from "./slots.ts";

const { store, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

function createHeart(by: Store = store) {
  const clock = createManualClock();
  const slots = createSlots(10);
  const facts = { id: newId(), host: "h", pid: 1, slots: slots.total };
  const heartbeat = createHeartbeat({
    ...{ facts, leaseMs: 60_000, store: by, clock, slots },
    log: createLogger("worker", "silent"),
    lease: createWorkerLease(60_000, clock),
  });
  return { clock, slots, facts, heartbeat };
}

/** A worker with its row, and what that tells. */
async function openHeart() {
  const { clock, slots, facts, heartbeat } = createHeart();
  await heartbeat.beat();
  return {
    ...{ clock, heartbeat },
    call(count = 1) {
      slots.take(count);
      slots.release(count);
    },
    async told() {
      const { rows } = await store.pool.query("SELECT busy FROM workers WHERE id = $1", [facts.id]);
      return rows[0]!.busy;
    },
    /** Until it is let go, every beat is under way. */
    async lockRow() {
      const locked = await store.pool.connect();
      await locked.query("BEGIN");
      await locked.query("SELECT FROM workers WHERE id = $1 FOR UPDATE", [facts.id]);
      return async () => {
        await locked.query("COMMIT");
        locked.release();
      };
    },
  };
}

test("a worker that was called for a moment tells so for two seconds, in which a look each second meets it", async () => {
  const { clock, heartbeat, call, told } = await openHeart();
  assert.equal(await heartbeat.tellLoad(), false);
  call(3);
  const words: [boolean, number][] = [];
  for (let second = 0; second < 3; second += 1) {
    words.push([await heartbeat.tellLoad(), await told()]);
    await clock.advance(1_000);
  }
  assert.deepEqual(words, [
    [true, 3],
    [true, 1],
    [false, 0],
  ]);
});

test("what a beat tells that is under way is taken back, too", async () => {
  const { clock, heartbeat, call, told, lockRow } = await openHeart();
  const unlock = await lockRow();
  call();
  const beating = heartbeat.beat();
  await clock.advance(2_000);
  assert.equal(await heartbeat.tellLoad(), true, "it may be told as busy");
  await unlock();
  await beating;
  assert.equal(await told(), 1);
  assert.deepEqual([await heartbeat.tellLoad(), await told()], [false, 0]);
});

test("nobody knows what beats that crossed each other told: it is told again", async () => {
  const { clock, heartbeat, call, told, lockRow } = await openHeart();
  call();
  await heartbeat.tellLoad();
  await clock.advance(2_000);
  const unlock = await lockRow();
  const telling = heartbeat.tellLoad();
  call();
  const beating = heartbeat.beat();
  await unlock();
  await beating;
  assert.equal(await telling, true);
  await clock.advance(2_000);
  assert.deepEqual([await heartbeat.tellLoad(), await told()], [false, 0]);
});

test("the first lease goes by the connection that the start has, the next ones by those of leases", async () => {
  const words: string[] = [];
  const watch = (name: "db" | "leaseDb") =>
    new Proxy(store[name], {
      get(target, key) {
        if (key === "getExecutor") words.push(name);
        const value = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  const { heartbeat } = createHeart({ ...store, db: watch("db"), leaseDb: watch("leaseDb") });
  await heartbeat.beat();
  assert.deepEqual(new Set(words), new Set(["db"]));
  words.length = 0;
  await heartbeat.beat();
  assert.deepEqual(new Set(words), new Set(["leaseDb"]));
});

test("a first lease without an answer is given up as soon as a later one", async () => {
  const { clock, heartbeat } = createHeart();
  const locked = await store.pool.connect();
  await locked.query("BEGIN");
  await locked.query("LOCK TABLE workers");
  const beating = assert.rejects(heartbeat.beat(), /not confirmed within 5000 ms/);
  await clock.advance(5_000);
  await beating;
  await locked.query("COMMIT");
  locked.release();
});
