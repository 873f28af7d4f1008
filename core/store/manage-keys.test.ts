import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { newId } from "./ids.ts";
import { generateKey, hashKey, recordSettingKeys } from "./keys.ts";
import { createKey, listKeys, MAX_KEYS, removeEndedKeys, revokeKey, rotateKey } from "./manage-keys.ts";
import { openTestStore } from "./testing/test-store.ts";
import { inTransaction } from "./transaction.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);

const make = (namespaceId: string) =>
  inTransaction(store.pool, (tx) =>
    createKey(tx, {
      ...{ id: newId(), namespaceId, name: "ci", scopes: ["read"], functions: null, expiresAt: null },
    }),
  );

test("a namespace has so many valid keys and no more", async () => {
  const namespaceId = await newNamespace();
  await store.pool.query(
    `INSERT INTO api_keys (id, namespace_id, name, key_hash, scopes)
     SELECT gen_random_uuid(), $1::uuid, 'many', sha256(convert_to($1::text || i, 'UTF8')), '{read}' FROM generate_series(1, $2) i`,
    [namespaceId, MAX_KEYS - 1],
  );
  const made = await Promise.allSettled([make(namespaceId), make(namespaceId), make(namespaceId)]);
  assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
  await assert.rejects(make(namespaceId), { code: "too_many_keys", status: 409 });
  const [newest] = await listKeys(store, namespaceId, 1, undefined);
  await revokeKey(store, newest!.id);
  await make(namespaceId);
});

test("a namespace that is being deleted gets no key", async () => {
  const namespaceId = await newNamespace();
  await db.updateTable("namespaces").set({ closed_at: new Date() }).where("id", "=", namespaceId).execute();
  await assert.rejects(make(namespaceId), { code: "namespace_closed", status: 409 });
});

test("of several rotations at once one is made, and the others are told that its overlap goes on", async () => {
  const { key, secret } = await make(await newNamespace());
  const rotations = await Promise.allSettled(
    Array.from({ length: 4 }, () => rotateKey(store, key.id, 60_000)),
  );
  const made = rotations.flatMap((each) => (each.status === "fulfilled" ? each.value.secret : []));
  assert.equal(made.length, 1);
  for (const each of rotations)
    if (each.status === "rejected") assert.equal(each.reason.code, "key_rotating");
  const { rows } = await store.pool.query(
    "SELECT key_hash AS key, previous_hash AS previous FROM api_keys WHERE id = $1",
    [key.id],
  );
  assert.deepEqual(rows[0], { key: hashKey(made[0]!), previous: hashKey(secret) });
});

test("keys that ended before the retention are removed, and neither valid ones nor those of the setting", async () => {
  const namespaceId = await newNamespace();
  const before = new Date("2026-01-01T00:00:00Z");
  const early = new Date("2025-12-31T23:59:59Z");
  const [setting] = await recordSettingKeys(store, [generateKey()]);
  const keys: Record<string, string> = {};
  for (const name of ["valid", "revoked", "expired", "revoked later", "expires later"])
    keys[name] = (await make(namespaceId)).key.id;
  const end = async (id: string, set: object) =>
    await db.updateTable("api_keys").set(set).where("id", "=", id).execute();
  await end(keys["revoked"]!, { revoked_at: early, expires_at: new Date("2030-01-01T00:00:00Z") });
  await end(keys["expired"]!, { expires_at: early });
  await end(keys["revoked later"]!, { revoked_at: before });
  await end(keys["expires later"]!, { expires_at: before });
  await end(setting!.keyId, { revoked_at: early });
  assert.equal(await removeEndedKeys(store, before, 10), 2);
  const left = await db
    .selectFrom("api_keys")
    .select("id")
    .where((row) => row.or([row("namespace_id", "=", namespaceId), row("id", "=", setting!.keyId)]))
    .execute();
  assert.deepEqual(
    left.map(({ id }) => id).toSorted(),
    [keys["valid"], keys["revoked later"], keys["expires later"], setting!.keyId].toSorted(),
  );
});
