import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { systemClock } from "../../core/clock.ts";
import { newId } from "../../core/store/ids.ts";
import { ensureNamespace, generateKey, hashKey, recordSettingKeys } from "../../core/store/keys.ts";
import type { Bell } from "../../core/store/listen.ts";
import { openTestStore, until } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { createKeyring, REMEMBER_MS } from "./keyring.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);

/** As an API opens it that was started with these keys in its setting. */
async function open(setting: string[] = []) {
  let nowMs = 0;
  let ring: (bell: Bell) => void = () => {};
  const owners = await recordSettingKeys(store, setting);
  const faults: unknown[] = [];
  const keyring = createKeyring({
    store,
    listener: {
      on: async (_channel, handler) => {
        const before = ring;
        ring = (bell) => {
          before(bell);
          handler(bell);
        };
      },
    },
    settingKeys: new Map(setting.map((key, index) => [key, owners[index]!])),
    nowMs: () => nowMs,
    clock: systemClock,
    watch: { watch: () => assert.fail("nobody watches") },
    onError: (error) => faults.push(error),
  });
  return {
    ...{ keyring, owners, faults },
    pass: (ms: number) => {
      nowMs += ms;
    },
    ring: (ids: string[]) => ring({ ids, resync: false }),
  };
}

async function storeKey(given: { expires_at?: Date } = {}) {
  const [id, key] = [newId(), generateKey()];
  const row = {
    id,
    namespace_id: await newNamespace(),
    name: "ci",
    key_hash: hashKey(key),
    scopes: ["read"],
  };
  await db
    .insertInto("api_keys")
    .values({ ...row, expires_at: null, revoked_at: null, ...given })
    .execute();
  const revoke = () =>
    db.updateTable("api_keys").set({ revoked_at: new Date() }).where("id", "=", id).execute();
  return { id, key, revoke };
}

/** The store, and how often it was asked. */
function countLooks() {
  const counted = { looks: 0, store };
  const pool = new Proxy(store.pool, {
    get(target, name) {
      if (name === "query") counted.looks += 1;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  counted.store = { ...store, pool };
  return counted;
}

test("two APIs whose settings overlap take the keys of their own, and lock out nobody of the other's", async () => {
  const [old, fresh] = [generateKey(), generateKey()];
  const before = await open([old]);
  const during = await open([fresh, old]);
  const after = await open([fresh]);
  const ids = async (api: Awaited<ReturnType<typeof open>>) =>
    await Promise.all([old, fresh].map(async (key) => (await api.keyring.findOwner(key))?.keyId));
  const [oldId, freshId] = [before.owners[0]!.keyId, after.owners[0]!.keyId];
  for (const _time of ["at once", "after what was remembered is forgotten"]) {
    assert.deepEqual(await ids(before), [oldId, undefined]);
    assert.deepEqual(await ids(during), [oldId, freshId]);
    assert.deepEqual(await ids(after), [undefined, freshId]);
    for (const api of [before, during, after]) api.pass(REMEMBER_MS);
  }
});

test("an API without the setting knows nothing of the keys of those that have it", async () => {
  const key = generateKey();
  await open([key]);
  assert.equal(await (await open()).keyring.findOwner(key), undefined);
});

test("a revoked key works for less than a second more, and not at all where its bell is heard", async () => {
  assert.ok(REMEMBER_MS < 1_000);
  const { keyring, pass, ring } = await open();
  const [silent, told] = [await storeKey(), await storeKey()];
  for (const { id, key, revoke } of [silent, told]) {
    assert.equal((await keyring.findOwner(key))!.keyId, id);
    await revoke();
  }
  ring([told.id]);
  assert.equal(await keyring.findOwner(told.key), undefined);
  pass(REMEMBER_MS - 1);
  assert.ok(await keyring.findOwner(silent.key));
  pass(1);
  assert.equal(await keyring.findOwner(silent.key), undefined);
});

test("a key that expires does so at its instant, remembered or not", async () => {
  const { keyring, pass } = await open();
  const { key } = await storeKey({ expires_at: new Date(Date.now() + 60_000) });
  assert.ok(await keyring.findOwner(key));
  // It is looked up by the database's time, which stands still here.
  for (let ms = 0; ms < 59_000; ms += 500) pass(500);
  assert.ok(await keyring.findOwner(key));
  const expiresInMs = REMEMBER_MS - 100;
  do {
    // Again where the machine stood still until it had expired.
    pass(REMEMBER_MS);
    await sql`UPDATE api_keys SET expires_at = now() + ${expiresInMs} * interval '1 millisecond'
      WHERE key_hash = ${hashKey(key)}`.execute(db);
  } while (!(await keyring.findOwner(key)));
  pass(expiresInMs);
  assert.equal(await keyring.findOwner(key), undefined);
});

test("many calls at once look a key up once", async () => {
  const counting = countLooks();
  const { key, id } = await storeKey();
  await db.updateTable("api_keys").set({ last_used_at: new Date() }).where("id", "=", id).execute();
  const keyring = createKeyring({
    ...{ store: counting.store, listener: { on: async () => {} }, onError: assert.fail },
    ...{ clock: systemClock, watch: { watch: () => () => {} } },
  });
  await Promise.all(Array.from({ length: 20 }, () => keyring.findOwner(key)));
  assert.equal(counting.looks, 1);
});

test("a token's namespace that is not there is looked up once in a while, and found once it is made", async () => {
  const counting = countLooks();
  let ring: (bell: Bell) => void = () => {};
  const grants = [{ namespace: "later", scopes: ["read"] }] as const;
  const keyring = createKeyring({
    ...{ store: counting.store, clock: systemClock, onError: assert.fail, nowMs: () => 0 },
    listener: {
      on: async (_channel, handler) => {
        ring = handler;
      },
    },
    watch: { watch: () => () => {} },
    tokens: {
      ...{ isToken: () => true, isOwn: () => true, watch: () => () => {} },
      find: async () => ({
        id: newId(),
        issuer: "https://id",
        subject: "ann",
        grants,
        expiresAt: new Date(),
      }),
    },
  });
  for (let asked = 0; asked < 3; asked += 1)
    await assert.rejects(keyring.findOwner("a token"), { status: 403 });
  assert.equal(counting.looks, 1);
  const made = await ensureNamespace(db, "later");
  ring({ ids: [made], resync: false });
  assert.equal((await keyring.findOwner("a token"))!.namespaceId, made);
});

test("that a key is used is recorded beside the call", async () => {
  const { keyring, faults } = await open();
  const { id, key } = await storeKey();
  await keyring.findOwner(key);
  await until(async () => {
    const row = db.selectFrom("api_keys").select("last_used_at").where("id", "=", id);
    return (await row.executeTakeFirstOrThrow()).last_used_at ?? undefined;
  });
  assert.deepEqual(faults, []);
});

test("what is too long to be a key is not looked up", async () => {
  const { keyring } = await open();
  assert.equal(await keyring.findOwner(`bh_${"x".repeat(10_000)}`), undefined);
});
