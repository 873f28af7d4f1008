import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import {
  type AuditFilter,
  eraseQuotes,
  listAudit,
  type NewAuditEntry,
  recordAudit,
  removeExpiredAudit,
} from "./audit-log.ts";
import { firstIdOf, newId } from "./ids.ts";
import { ensureNamespace } from "./keys.ts";
import { openTestStore } from "./testing/test-store.ts";
import { inTransaction } from "./transaction.ts";

const { store, newNamespace } = await openTestStore(createTestDatabase);
const keyId = newId();

async function record(namespaceId: string, given: Partial<NewAuditEntry> = {}): Promise<string> {
  const entry: NewAuditEntry = {
    ...{ id: newId(), namespaceId, isOfInstallation: false, action: "putQueue", resource: "queues/mail" },
    ...{ status: 200, actorKind: "key", actorKeyId: keyId, actorName: "ci", address: "192.0.2.7" },
    ...{ before: { concurrency: 1 }, after: { concurrency: 2 } },
    ...given,
  };
  await inTransaction(store.pool, (tx) => recordAudit(tx, entry));
  return entry.id;
}

async function idsOf(namespaceId: string, filter: AuditFilter = {}, isOperator = false): Promise<string[]> {
  const page = { limit: 50, beforeId: undefined, isOperator };
  return (await listAudit(store, namespaceId, filter, page)).map(({ id }) => id);
}

test("an entry is neither changed nor deleted, not even by who may write the table", async () => {
  const namespaceId = await newNamespace();
  const id = await record(namespaceId);
  for (const statement of [
    "UPDATE audit_log SET actor_name = 'somebody else'",
    "DELETE FROM audit_log",
    "TRUNCATE audit_log",
  ])
    await assert.rejects(store.pool.query(statement), { code: "42501", message: /append-only/ }, statement);
  assert.deepEqual(await idsOf(namespaceId), [id]);
});

test("what an entry shows of an erased thing is taken out, and nothing else of it", async () => {
  const namespaceId = await newNamespace();
  const resource = `tasks/${newId()}`;
  const changed = await record(namespaceId, { resource, before: null });
  const hook = await record(namespaceId, { resource: `${resource}/hooks/${newId()}`, after: null });
  const other = await record(namespaceId, { resource: `tasks/${newId()}` });
  const strange = await record(await newNamespace(), { resource });
  const erase = () => inTransaction(store.pool, (tx) => eraseQuotes(tx, namespaceId, [resource], 10));
  const read = async (id: string) =>
    (await store.pool.query("SELECT to_jsonb(a) AS row FROM audit_log a WHERE id = $1", [id])).rows[0].row;
  const [ours, theirs] = [
    [changed, hook],
    [other, strange],
  ].map((ids) => () => Promise.all(ids.map(read)));
  const before = [await ours!(), await theirs!()];
  assert.equal(await erase(), 2);
  assert.equal(await erase(), 0);
  const erased = { erased: true };
  assert.deepEqual(await ours!(), [
    { ...before[0]![0], after: erased },
    { ...before[0]![1], before: erased },
  ]);
  assert.deepEqual(await theirs!(), before[1]);
  for (const change of ["actor_name = 'x'", "after = '{}'", "before = NULL", "resource = 'x'"])
    await assert.rejects(
      inTransaction(store.pool, async ({ pool }) => {
        await pool.query("SELECT set_config('bellhop.erases_audit', 'on', true)");
        await pool.query(`UPDATE audit_log SET ${change} WHERE id = $1`, [other]);
      }),
      { code: "42501" },
      change,
    );
});

test("the retention removes what is older, and no other transaction may do so after it", async () => {
  const namespaceId = await newNamespace();
  const at = new Date("2020-01-01T00:00:00Z");
  await record(namespaceId, { id: firstIdOf(at) });
  const kept = await record(namespaceId);
  const remove = (before: Date) => inTransaction(store.pool, (tx) => removeExpiredAudit(tx, before, 10));
  assert.equal(await remove(at), 0);
  assert.equal(await remove(new Date(at.getTime() + 1)), 1);
  assert.deepEqual(await idsOf(namespaceId), [kept]);
  await assert.rejects(store.pool.query("DELETE FROM audit_log"), { code: "42501" });
});

test("entries are found by who, what, on which thing or kind of things, and when", async () => {
  const namespaceId = await newNamespace();
  const early = await record(namespaceId, {
    id: firstIdOf(new Date("2026-01-01T00:00:00Z")),
    resource: "queues",
  });
  const other = newId();
  const queue = await record(namespaceId, { actorKeyId: other, actorName: "ops" });
  const like = await record(namespaceId, { resource: "queues/m_il/%", action: "deleteQueue" });
  const found: [AuditFilter, string[]][] = [
    [{}, [like, queue, early]],
    [{ actor: other }, [queue]],
    [{ actor: "ops" }, [queue]],
    [{ actor: "nobody" }, []],
    [{ action: "deleteQueue" }, [like]],
    [{ resource: "queues" }, [like, queue, early]],
    [{ resource: "queues/mail" }, [queue]],
    [{ resource: "queues/m_il" }, [like]],
    [{ resource: "queue" }, []],
    [{ to: new Date("2026-01-01T00:00:00Z") }, []],
    [{ to: new Date("2026-01-01T00:00:00.001Z") }, [early]],
    [{ from: new Date("2026-01-01T00:00:00.001Z"), actor: "ci" }, [like]],
  ];
  for (const [filter, ids] of found)
    assert.deepEqual(await idsOf(namespaceId, filter), ids, JSON.stringify(filter));
  const page = { limit: 1, beforeId: like, isOperator: false };
  const [first, next] = await listAudit(store, namespaceId, {}, page);
  assert.deepEqual([first!.id, next!.id], [queue, early]);
});

test("an entry of the installation stands in the log of default, for operators", async () => {
  const [namespaceId, defaultId] = [await newNamespace(), await ensureNamespace(store.db, "default")];
  const id = await record(namespaceId, { isOfInstallation: true, resource: "namespaces/billing" });
  assert.deepEqual(await idsOf(namespaceId, {}, true), []);
  assert.deepEqual(await idsOf(defaultId, {}, false), []);
  assert.deepEqual(await idsOf(defaultId, {}, true), [id]);
});
