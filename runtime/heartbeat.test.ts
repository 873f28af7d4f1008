import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
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
  const lease = createWorkerLease(60_000, clock);
  const heartbeat = createHeartbeat({
    ...{ facts, leaseMs: 60_000, store: by, clock, slots },
    log: createLogger("worker", "silent"),
    lease,
  });
  return { clock, slots, facts, heartbeat, lease };
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

test("the first two leases go by connections that the start has, the next ones by those of leases", async () => {
  const words: string[] = [];
  const watch = (name: "db" | "plannedDb" | "leaseDb") =>
    new Proxy(store[name], {
      get(target, key) {
        if (key === "getExecutor") words.push(name);
        const value = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  const own = { db: watch("db"), plannedDb: watch("plannedDb"), leaseDb: watch("leaseDb") };
  const { heartbeat } = createHeart({ ...store, ...own });
  for (const name of ["db", "plannedDb", "leaseDb", "leaseDb"]) {
    words.length = 0;
    await heartbeat.beat();
    assert.deepEqual(new Set(words), new Set([name]));
  }
});

test("until a lease is durable no connection is made for one", async () => {
  const broken = new Proxy(store.leaseDb, {
    get() {
      throw new Error("no connection left");
    },
  });
  const failing = { ...store, plannedDb: broken, leaseDb: broken };
  const { heartbeat, lease } = createHeart(failing);
  await heartbeat.beat();
  await assert.rejects(heartbeat.keepUp(), /no connection left/);
  await heartbeat.keepUp();
  assert.equal(lease.isDurable(), true);
  await assert.rejects(heartbeat.keepUp(), /no connection left/);
});

test("the first lease alone does not wait for the disk", async (t) => {
  await sql`CREATE TABLE commits (setting text)`.execute(store.db);
  await sql`CREATE FUNCTION note_commit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO commits VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$`.execute(
    store.db,
  );
  // As the transaction is committed.
  await sql`CREATE CONSTRAINT TRIGGER note_commit AFTER INSERT OR UPDATE ON workers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_commit()`.execute(store.db);
  t.after(() => sql`DROP FUNCTION note_commit CASCADE`.execute(store.db));
  const { heartbeat, lease } = createHeart();
  await heartbeat.beat();
  assert.deepEqual([lease.stands(), lease.isDurable()], [true, false]);
  await heartbeat.keepUp();
  assert.equal(lease.isDurable(), true);
  await heartbeat.keepUp();
  const { rows } = await sql<{ setting: string }>`SELECT setting FROM commits`.execute(store.db);
  const { rows: usual } = await sql<{ setting: string }>`
    SELECT current_setting('synchronous_commit') AS setting`.execute(store.db);
  const [{ setting }] = usual as [{ setting: string }];
  assert.notEqual(setting, "off");
  assert.deepEqual(
    rows.map((row) => row.setting),
    ["off", setting, setting],
  );
});

test("where the second lease fails the first does not stand until one succeeds; whoever needs it waits for the same beat", async () => {
  const { clock, heartbeat, lease } = createHeart();
  await heartbeat.beat();
  const hasStood = lease.watch();
  const locked = await store.pool.connect();
  await locked.query("BEGIN");
  await locked.query("LOCK TABLE workers");
  const failing = [heartbeat.keepUp(), heartbeat.keepUp()].map((renewing) =>
    assert.rejects(renewing, /not confirmed within 5000 ms/),
  );
  await clock.advance(4_999);
  assert.equal(lease.stands(), true);
  await clock.advance(1);
  await Promise.all(failing);
  assert.equal(lease.stands(), false);
  await locked.query("COMMIT");
  locked.release();
  await heartbeat.keepUp();
  assert.deepEqual([lease.stands(), lease.isDurable(), hasStood()], [true, true, false]);
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
