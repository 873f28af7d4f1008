import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import { systemClock } from "../clock.ts";
import { openStore } from "./database.ts";
import { openSessionLock } from "./session-lock.ts";
import { openTestStore, until } from "./testing/test-store.ts";

const { store, db, url } = await openTestStore(createTestDatabase);

test("one of two has it; the other gets it when it is released", async () => {
  const [first, second] = [
    await openSessionLock(store, 1, systemClock),
    await openSessionLock(store, 1, systemClock),
  ];
  assert.equal(await first.tryTake(), true);
  assert.equal(await first.tryTake(), true, "once more is the same as once");
  assert.equal(await second.tryTake(), false);
  assert.deepEqual([first.isHeld(), second.isHeld()], [true, false]);
  await first.release();
  await first.release();
  assert.equal(await second.tryTake(), true);
  await Promise.all([first.close(), second.close()]);
});

test("locks of different keys do not meet, and a closed one is free", async () => {
  const [first, other] = [
    await openSessionLock(store, 2, systemClock),
    await openSessionLock(store, 3, systemClock),
  ];
  assert.deepEqual([await first.tryTake(), await other.tryTake()], [true, true]);
  await Promise.all([first.close(), other.close()]);
  const again = await openSessionLock(store, 2, systemClock);
  assert.equal(await again.tryTake(), true);
  await again.close();
});

test("a connection that is cut frees it, and the next take connects anew", async () => {
  const own = openStore({
    databaseUrl: url,
    applicationName: "lock-holder",
    maxConnections: 1,
    onError() {},
  });
  const [cut, other] = [
    await openSessionLock(own, 4, systemClock),
    await openSessionLock(store, 4, systemClock),
  ];
  assert.equal(await cut.tryTake(), true);
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'lock-holder'`.execute(db);
  await until(async () => (cut.isHeld() ? undefined : true));
  await until(async () => ((await other.tryTake()) ? true : undefined));
  assert.equal(await cut.tryTake(), false);
  await other.release();
  assert.equal(await cut.tryTake(), true);
  await Promise.all([cut.close(), other.close()]);
  await own.close();
});
