import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import { newId } from "./ids.ts";
import { ensureAdminKey, ensureNamespace, findKeyOwner, generateKey, hashKey } from "./keys.ts";
import { openTestStore } from "./testing/test-store.ts";

const { db, newNamespace } = await openTestStore(createTestDatabase);

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
  const owner = await findKeyOwner(db, key);
  assert.deepEqual(
    { ...owner, keyId: "" },
    { keyId: "", namespaceId, namespace: "owners", scopes: ["read", "invoke"] },
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
    assert.equal(await findKeyOwner(db, key), undefined);
  }
  assert.ok(await findKeyOwner(db, await storeKey(namespaceId, { expiresAt: future })));
});

test("the configured admin key is the only valid one of its name; changing it changes the lock", async () => {
  const namespaceId = await newNamespace();
  const other = await storeKey(namespaceId);
  const [first, second] = [generateKey(), generateKey()];
  await ensureAdminKey(db, namespaceId, first);
  await ensureAdminKey(db, namespaceId, first);
  assert.deepEqual((await findKeyOwner(db, first))?.scopes, ["admin"]);
  await ensureAdminKey(db, namespaceId, second);
  assert.equal(await findKeyOwner(db, first), undefined);
  assert.equal((await findKeyOwner(db, second))?.namespaceId, namespaceId);
  await ensureAdminKey(db, namespaceId, first);
  assert.ok(await findKeyOwner(db, first), "back again");
  assert.equal(await findKeyOwner(db, second), undefined);
  assert.ok(await findKeyOwner(db, other), "keys of other names stay");
});

test("an admin key of one namespace leaves that of another alone", async () => {
  const [a, b] = [await newNamespace(), await newNamespace()];
  const [keyA, keyB] = [generateKey(), generateKey()];
  await ensureAdminKey(db, a, keyA);
  await ensureAdminKey(db, b, keyB);
  assert.equal((await findKeyOwner(db, keyA))?.namespaceId, a);
  assert.equal((await findKeyOwner(db, keyB))?.namespaceId, b);
});

test("roles that start together with one key agree", async () => {
  const namespaceId = await newNamespace();
  const key = generateKey();
  await Promise.all(Array.from({ length: 5 }, () => ensureAdminKey(db, namespaceId, key)));
  assert.equal((await findKeyOwner(db, key))?.namespaceId, namespaceId);
});
