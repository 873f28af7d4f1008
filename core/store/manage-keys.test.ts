import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { newId } from "./ids.ts";
import { createKey, listKeys, MAX_KEYS, revokeKey, rotateKey } from "./manage-keys.ts";
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

test("a key that is rotated by several at once has one secret more, the last", async () => {
  const { key } = await make(await newNamespace());
  const rotated = await Promise.all(Array.from({ length: 4 }, () => rotateKey(store, key.id, 60_000)));
  assert.equal(new Set(rotated.map((each) => each!.secret)).size, 4);
  const { rows } = await store.pool.query("SELECT key_hash, previous_hash FROM api_keys WHERE id = $1", [
    key.id,
  ]);
  assert.notDeepEqual(rows[0].key_hash, rows[0].previous_hash);
});
