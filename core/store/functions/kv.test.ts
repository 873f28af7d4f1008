import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../../test/support/database.ts";
import { deployFunction } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { deleteKv, getKv, type KvWritten, listKv, setKv } from "./kv.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();
let functionId: string;
let count = 0;
beforeEach(async () => {
  await clear();
  functionId = await deployFunction(db, namespaceId, `remembers-${++count}`);
});

const quota = { keys: 10, bytes: 1_000 };
const set = (key: string, value: string, ifVersion?: string | null, within = quota) =>
  setKv(store, functionId, { key, value, ifVersion }, within);
const versionOf = (written: KvWritten): string => {
  if (typeof written === "string") assert.fail(written);
  return written.version;
};
async function usage() {
  const { rows } = await sql<{ keys: number; bytes: number; found: number }>`
    SELECT u.keys, u.bytes::int AS bytes, (SELECT coalesce(sum(bytes), 0)::int FROM function_kv WHERE function_id = ${functionId}) AS found
    FROM function_kv_usage u WHERE function_id = ${functionId}`.execute(db);
  return rows[0];
}

test("a value is set, read, replaced under another version, and deleted", async () => {
  assert.equal(await getKv(store, functionId, "a"), undefined);
  const first = versionOf(await set("a", '{"n":1}'));
  assert.deepEqual(await getKv(store, functionId, "a"), { key: "a", value: '{"n":1}', version: first });
  const second = versionOf(await set("a", "2"));
  assert.notEqual(second, first);
  assert.equal(await deleteKv(store, functionId, "a", first), false);
  assert.equal(await deleteKv(store, functionId, "a", second), true);
  assert.equal(await deleteKv(store, functionId, "a", undefined), false);
  assert.deepEqual(await usage(), { keys: 0, bytes: 0, found: 0 });
});

test("a value is JSON text, and keeps what it escapes", async () => {
  const value = '["a\\u0000b","\\ud800",1234567890123456789]';
  await set("k", value);
  assert.equal((await getKv(store, functionId, "k"))?.value, value);
});

test("compare-and-set takes the version that is there, or nothing where null is said", async () => {
  const first = versionOf(await set("a", "1", null));
  assert.equal(await set("a", "2", null), "conflict");
  assert.equal(await set("a", "2", "0"), "conflict");
  const second = versionOf(await set("a", "2", first));
  assert.equal(await set("a", "3", first), "conflict");
  assert.equal(await deleteKv(store, functionId, "a", second), true);
  assert.equal(await set("a", "3", second), "conflict");
  assert.notEqual(versionOf(await set("a", "3", null)), first);
});

test("of many who set at once from what they read, one wins each time, and the usage stays exact", async () => {
  await set("count", "0");
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (;;) {
        const { value, version } = (await getKv(store, functionId, "count"))!;
        if ((await set("count", String(Number(value) + 1), version)) !== "conflict") return;
      }
    }),
  );
  assert.equal((await getKv(store, functionId, "count"))?.value, "20");
  const { keys, bytes, found } = (await usage())!;
  assert.deepEqual({ keys, bytes }, { keys: 1, bytes: found });
});

test("quotas count keys and bytes, and a smaller value always fits", async () => {
  const small = { keys: 2, bytes: 20 };
  await set("a", '"12345"', undefined, small);
  await set("b", '"12345"', undefined, small);
  assert.equal(await set("c", "1", undefined, small), "quota");
  assert.equal(await set("b", '"1234567890"', undefined, small), "quota");
  assert.notEqual(await set("b", "1", undefined, small), "quota");
  assert.equal(await deleteKv(store, functionId, "a", undefined), true);
  assert.notEqual(await set("c", '"12345678"', undefined, small), "quota");
  assert.deepEqual(await usage(), { keys: 2, bytes: 13, found: 13 });
  await Promise.all(
    Array.from({ length: 8 }, (_, n) => set(`many-${n}`, "1", undefined, { keys: 5, bytes: 999 })),
  );
  assert.equal((await usage())?.keys, 5);
});

test("lists by prefix in pages, in the order of bytes; other functions see nothing of it", async () => {
  for (const key of ["b/2", "a", "b/1", "b/é", "B", "b"]) await set(key, `"${key}"`);
  const other = await deployFunction(db, namespaceId, "other");
  assert.deepEqual(await listKv(store, other, { prefix: "", after: undefined, limit: 10 }), {
    entries: [],
    after: null,
  });
  const keys = async (prefix: string, after: string | undefined, limit: number) => {
    const page = await listKv(store, functionId, { prefix, after, limit });
    return [page.entries.map(({ key }) => key).join(" "), page.after];
  };
  assert.deepEqual(await keys("", undefined, 10), ["B a b b/1 b/2 b/é", null]);
  assert.deepEqual(await keys("b/", undefined, 2), ["b/1 b/2", "b/2"]);
  assert.deepEqual(await keys("b/", "b/2", 2), ["b/é", null]);
  assert.deepEqual(await keys("b_", undefined, 2), ["", null]);
});

test("a page of large values ends early", async () => {
  const large = { keys: 10, bytes: 9_000_000 };
  for (const key of ["a", "b", "c"]) await set(key, `"${"x".repeat(600_000)}"`, undefined, large);
  const page = await listKv(store, functionId, { prefix: "", after: undefined, limit: 10 });
  assert.deepEqual([page.entries.map(({ key }) => key), page.after], [["a", "b"], "b"]);
});
