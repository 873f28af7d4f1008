import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import { newId } from "./ids.ts";
import {
  DEFAULT_NAMESPACE,
  ensureNamespace,
  findKey,
  findValidHashes,
  generateKey,
  hashKey,
  recordKeyUse,
  recordSettingKeys,
} from "./keys.ts";
import { openTestStore } from "./testing/test-store.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);

/** Stores a key of its own, with what the test says about it. */
async function storeKey(
  namespaceId: string,
  given: { expiresAt?: Date; revokedAt?: Date } = {},
): Promise<string> {
  const key = generateKey();
  const row = {
    id: newId(),
    namespace_id: namespaceId,
    name: "ci",
    key_hash: hashKey(key),
    scopes: ["read", "invoke"],
    expires_at: given.expiresAt ?? null,
    revoked_at: given.revokedAt ?? null,
  };
  await db.insertInto("api_keys").values(row).execute();
  return key;
}

test("a key is long, random and says what it is", () => {
  const keys = Array.from({ length: 100 }, generateKey);
  assert.equal(new Set(keys).size, 100);
  for (const key of keys) assert.match(key, /^bh_[\w-]{43}$/);
});

test("a namespace is made once, also by many at once", async () => {
  const ids = await Promise.all(Array.from({ length: 5 }, () => ensureNamespace(db, "team-a")));
  assert.equal(new Set(ids).size, 1);
  assert.notEqual(await ensureNamespace(db, "team-b"), ids[0]);
});

test("the owner of a key is found, with its namespace and scopes", async () => {
  const namespaceId = await ensureNamespace(db, "owners");
  const key = await storeKey(namespaceId);
  const found = await findKey(store, key);
  assert.deepEqual(
    { ...found!.owner, keyId: "" },
    {
      ...{ keyId: "", keyName: "ci", namespaceId, namespace: "owners", scopes: ["read", "invoke"] },
      ...{ functions: null, limits: null, expiresAt: null },
    },
  );
});

test("nothing but the hash of a key is stored", async () => {
  const key = await storeKey(await newNamespace());
  const { rows } = await sql<{ row: string; hash: Buffer }>`
    SELECT to_jsonb(k)::text AS row, key_hash AS hash FROM api_keys k WHERE key_hash = ${hashKey(key)}`.execute(
    db,
  );
  assert.deepEqual(rows[0]!.hash, createHash("sha256").update(key).digest());
  assert.ok(!rows[0]!.row.includes(key.slice(3)));
});

test("an unknown, revoked or expired key opens nothing", async () => {
  const namespaceId = await newNamespace();
  const [past, future] = [new Date(Date.now() - 1_000), new Date(Date.now() + 60_000)];
  for (const key of [
    generateKey(),
    "",
    await storeKey(namespaceId, { revokedAt: past }),
    await storeKey(namespaceId, { expiresAt: past }),
    await storeKey(namespaceId, { expiresAt: future, revokedAt: past }),
  ]) {
    assert.equal(await findKey(store, key), undefined);
  }
  assert.ok(await findKey(store, await storeKey(namespaceId, { expiresAt: future })));
});

test("the setting's keys have an id that stays, and their rows open nothing by themselves", async () => {
  const keys = [generateKey(), generateKey()];
  const owners = await recordSettingKeys(store, keys);
  assert.deepEqual(await recordSettingKeys(store, keys.toReversed()), owners.toReversed());
  assert.notEqual(owners[0]!.keyId, owners[1]!.keyId);
  const { keyId: _, ...owner } = owners[0]!;
  assert.deepEqual(owner, {
    ...{ keyName: "admin", scopes: ["operator"], functions: null, limits: null, expiresAt: null },
    ...{ namespace: DEFAULT_NAMESPACE, namespaceId: await ensureNamespace(db, DEFAULT_NAMESPACE) },
  });
  for (const key of keys) assert.equal(await findKey(store, key), undefined);
  assert.deepEqual(await findValidHashes(store, keys.map(hashKey)), []);
});

test("the release before finds the setting's keys in their rows, and what it did to them changes nothing", async () => {
  const key = generateKey();
  const [owner] = await recordSettingKeys(store, [key]);
  const row = () =>
    db
      .selectFrom("api_keys")
      .select(["name", "scopes", "revoked_at"])
      .where("key_hash", "=", hashKey(key))
      .executeTakeFirstOrThrow();
  const asBefore = { name: "admin", scopes: ["admin"], revoked_at: null };
  assert.deepEqual(await row(), asBefore);
  await db
    .updateTable("api_keys")
    .set({ revoked_at: new Date(0) })
    .where("key_hash", "=", hashKey(key))
    .execute();
  assert.deepEqual(await recordSettingKeys(store, [key]), [owner]);
  assert.deepEqual(await row(), asBefore);
});

test("a key that was made and revoked stays revoked where it was in the setting for a while", async () => {
  const key = await storeKey(await newNamespace(), { revokedAt: new Date(0) });
  await recordSettingKeys(store, [key]);
  assert.equal(await findKey(store, key), undefined);
});

test("roles that start together with one key agree", async () => {
  const key = generateKey();
  const all = await Promise.all(Array.from({ length: 5 }, () => recordSettingKeys(store, [key])));
  for (const owners of all) assert.deepEqual(owners, all[0]);
});

test("after a rotation the secret before opens until its time is over, and both end with the key", async () => {
  const key = await storeKey(await newNamespace());
  const before = generateKey();
  const update = (set: object) =>
    db.updateTable("api_keys").set(set).where("key_hash", "=", hashKey(key)).execute();
  const previousUntil = new Date(Date.now() + 60_000);
  await update({ previous_hash: hashKey(before), previous_until: previousUntil });
  const found = await findKey(store, before);
  assert.deepEqual(found!.owner, { ...(await findKey(store, key))!.owner, expiresAt: previousUntil });
  assert.ok(found!.validForMs! > 50_000 && found!.validForMs! <= 60_000);
  assert.equal((await findKey(store, key))!.validForMs, null);
  assert.equal((await findValidHashes(store, [key, before].map(hashKey))).length, 2);
  await update({ previous_until: new Date() });
  assert.equal(await findKey(store, before), undefined);
  assert.deepEqual(await findValidHashes(store, [key, before].map(hashKey)), [hashKey(key)]);
  await update({ previous_until: new Date(Date.now() + 60_000), revoked_at: new Date() });
  for (const each of [key, before]) assert.equal(await findKey(store, each), undefined);
});

test("no key of a namespace that is closed opens anything", async () => {
  const namespaceId = await newNamespace();
  const key = await storeKey(namespaceId);
  await db.updateTable("namespaces").set({ closed_at: new Date() }).where("id", "=", namespaceId).execute();
  assert.equal(await findKey(store, key), undefined);
  assert.deepEqual(await findValidHashes(store, [hashKey(key)]), []);
});

test("a key's use is recorded once a minute at most", async () => {
  const key = await storeKey(await newNamespace());
  const found = await findKey(store, key);
  assert.equal(found!.isUseDue, true);
  const { keyId } = found!.owner;
  const lastUse = async () => {
    const row = db.selectFrom("api_keys").select("last_used_at").where("id", "=", keyId);
    return (await row.executeTakeFirstOrThrow()).last_used_at;
  };
  await recordKeyUse(store, keyId);
  const first = await lastUse();
  assert.ok(first);
  await recordKeyUse(store, keyId);
  assert.deepEqual(await lastUse(), first);
  assert.equal((await findKey(store, key))!.isUseDue, false);
  const before = new Date(Date.now() - 61_000);
  await db.updateTable("api_keys").set({ last_used_at: before }).where("id", "=", keyId).execute();
  assert.equal((await findKey(store, key))!.isUseDue, true);
  await recordKeyUse(store, keyId);
  assert.ok((await lastUse())! > before);
});
