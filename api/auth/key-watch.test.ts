import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../../core/store/ids.ts";
import { generateKey, hashKey } from "../../core/store/keys.ts";
import type { Bell } from "../../core/store/listen.ts";
import { openTestStore, until } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createKeyWatch, LOOK_EVERY_MS } from "./key-watch.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);

async function storeKey(): Promise<string> {
  const key = generateKey();
  const row = { id: newId(), namespace_id: await newNamespace(), name: "ci", key_hash: hashKey(key) };
  await db
    .insertInto("api_keys")
    .values({ ...row, scopes: ["read"], expires_at: null, revoked_at: null })
    .execute();
  return key;
}

const change = (key: string, set: object) =>
  db.updateTable("api_keys").set(set).where("key_hash", "=", hashKey(key)).execute();

function open() {
  const clock = createManualClock();
  let ring: (bell: Bell) => void = () => {};
  const listener = {
    on: async (_channel: string, handler: (bell: Bell) => void) => {
      ring = handler;
    },
  };
  const watch = createKeyWatch({ store, clock, listener, onError: assert.fail });
  return { clock, watch, ring: () => ring({ ids: [], resync: false }) };
}

/** Lets time pass until it is so; how much, a step more at most. */
async function pass(clock: ReturnType<typeof createManualClock>, isSo: () => boolean): Promise<number> {
  const startMs = clock.steadyMs();
  await until(async () => {
    if (!isSo() && clock.sleepers > 0) await clock.advance(50);
    return isSo() || undefined;
  });
  return clock.steadyMs() - startMs;
}

test("who watches a key hears within a second that it is revoked, expired or gone", async () => {
  const ends = [
    (key: string) => change(key, { revoked_at: new Date() }),
    (key: string) => change(key, { expires_at: new Date() }),
    (key: string) => db.deleteFrom("api_keys").where("key_hash", "=", hashKey(key)).execute(),
  ];
  for (const end of ends) {
    const { clock, watch } = open();
    const [key, other] = [await storeKey(), await storeKey()];
    const told: string[] = [];
    watch.watch(key, () => told.push("first"));
    watch.watch(key, () => told.push("second"));
    const leave = watch.watch(other, () => told.push("other"));
    await clock.advance(LOOK_EVERY_MS);
    await end(key);
    const waitedMs = await pass(clock, () => told.length > 0);
    assert.ok(waitedMs <= 1_000, `${waitedMs} ms`);
    assert.deepEqual(told, ["first", "second"]);
    leave();
  }
});

test("a bell has keys looked at at once", async () => {
  const { watch, ring } = open();
  const key = await storeKey();
  const told = Promise.withResolvers<void>();
  watch.watch(key, () => told.resolve());
  await change(key, { revoked_at: new Date() });
  ring();
  await told.promise;
});

test("nothing is looked at while nobody watches", async () => {
  const { clock, watch } = open();
  const leave = watch.watch(await storeKey(), () => assert.fail("it is valid"));
  assert.equal(clock.sleepers, 1);
  leave();
  assert.equal(clock.sleepers, 0);
});

test("a database that is away for a moment ends no stream", async () => {
  const clock = createManualClock();
  let isAway = true;
  const errors: string[] = [];
  const pool = {
    query: (...given: unknown[]) => (isAway ? Promise.reject(new Error("away")) : query(...given)),
  };
  const query = store.pool.query.bind(store.pool) as (...given: unknown[]) => Promise<unknown>;
  const watch = createKeyWatch({
    ...{ store: { ...store, pool: pool as never }, clock },
    listener: { on: async () => {} },
    onError: (error) => errors.push((error as Error).message),
  });
  const key = await storeKey();
  const told: string[] = [];
  watch.watch(key, () => told.push("ended"));
  await clock.advance(LOOK_EVERY_MS);
  await until(async () => clock.sleepers > 0 || undefined);
  assert.deepEqual([told, errors], [[], ["away"]]);
  isAway = false;
  await change(key, { revoked_at: new Date() });
  await pass(clock, () => told.length > 0);
});

test("a bell that rings during a look has the keys looked at again, and a look is given up in time", async () => {
  const looks: { timeoutMs: number; answer(rows: object[]): void }[] = [];
  const pool = {
    query: ({ query_timeout }: { query_timeout: number }) =>
      new Promise((resolve) => looks.push({ timeoutMs: query_timeout, answer: (rows) => resolve({ rows }) })),
  };
  let ring = () => {};
  const watch = createKeyWatch({
    ...{ store: { ...store, pool: pool as never }, clock: createManualClock(), onError: assert.fail },
    listener: {
      on: async (_channel: string, handler: (bell: Bell) => void) => {
        ring = () => handler({ ids: [], resync: false });
      },
    },
  });
  const key = generateKey();
  const told = Promise.withResolvers<void>();
  watch.watch(key, () => told.resolve());
  ring();
  ring();
  assert.equal(looks.length, 1);
  assert.ok(looks[0]!.timeoutMs <= 1_000);
  looks[0]!.answer([{ hash: hashKey(key) }]);
  await until(async () => looks[1]);
  looks[1]!.answer([]);
  await told.promise;
});
