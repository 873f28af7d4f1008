import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { BellhopError } from "../errors.ts";
import type { QueryScope } from "./database.ts";
import { type IdempotentRequest, makeOnce, removeExpiredKeys } from "./idempotency.ts";
import { newId } from "./ids.ts";
import { enqueueTaskRun } from "./runs/enqueue.ts";
import { createTask } from "./tasks/create.ts";
import { httpTask } from "./testing/samples.ts";
import { openTestStore } from "./testing/test-store.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);
const namespaceId = await newNamespace();
const { task } = await createTask(store, {
  namespaceId,
  input: httpTask({ kind: "every", everyMs: 3_600_000 }),
  now: new Date(),
});

function request(given: Partial<IdempotentRequest> = {}): IdempotentRequest {
  return { namespaceId, operation: "runs", key: newId(), requestHash: Buffer.alloc(32, 1), ...given };
}

/** A run of the task, in the transaction that takes the key. */
function makeRun(once: IdempotentRequest | undefined) {
  const runId = newId();
  return makeOnce(store, once, runId, (scope) => enqueueTaskRun(scope, namespaceId, task.id, runId));
}

async function countRuns(): Promise<number> {
  const { rows } = await store.pool.query("SELECT count(*)::int AS count FROM task_runs");
  return rows[0].count;
}

async function countKeys(key: string): Promise<number> {
  const { rows } = await store.pool.query("SELECT FROM idempotency_keys WHERE key = $1", [key]);
  return rows.length;
}

const age = (key: string, hours: number) =>
  store.pool.query(
    "UPDATE idempotency_keys SET created_at = created_at - $2 * interval '1 hour' WHERE key = $1",
    [key, hours],
  );

test("the same request makes it once, and is told what was made", async () => {
  const once = request();
  const before = await countRuns();
  const first = await makeRun(once);
  assert.equal(first.made?.runId, first.id);
  assert.deepEqual(await makeRun(once), { id: first.id, made: undefined });
  assert.equal(await countRuns(), before + 1);
});

test("without a key each makes its own", async () => {
  const [first, second] = [await makeRun(undefined), await makeRun(undefined)];
  assert.notEqual(first.id, second.id);
  assert.ok(first.made && second.made);
});

test("requests that meet make one", async () => {
  const once = request();
  const before = await countRuns();
  const all = await Promise.all(Array.from({ length: 8 }, () => makeRun(once)));
  assert.equal(new Set(all.map(({ id }) => id)).size, 1);
  assert.equal(all.filter(({ made }) => made).length, 1);
  assert.equal(await countRuns(), before + 1);
});

test("another request with the key is refused; another operation or namespace has keys of its own", async () => {
  const once = request();
  const first = await makeRun(once);
  const other = { ...once, requestHash: Buffer.alloc(32, 2) };
  const isReuse = (error: unknown) =>
    error instanceof BellhopError && error.status === 422 && error.code === "idempotency_key_reused";
  await assert.rejects(makeRun(other), isReuse);
  for (const elsewhere of [{ operation: "tasks" }, { namespaceId: await newNamespace() }]) {
    assert.notEqual((await makeRun({ ...other, ...elsewhere })).id, first.id);
  }
});

test("a request waits for one with its key until that takes too long, and what it does after that as ever", async () => {
  const once = request();
  const other = request();
  const taken = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const first = makeOnce(store, once, newId(), async ({ pool }) => {
    await pool.query("SET LOCAL idle_in_transaction_session_timeout TO 0");
    const { rows } = await pool.query("SHOW lock_timeout");
    assert.deepEqual(rows, [{ lock_timeout: "0" }]);
    taken.resolve();
    await end.promise;
  });
  await taken.promise;
  await assert.rejects(makeRun(once), { status: 409, code: "idempotency_key_in_use" });
  assert.ok((await makeRun(other)).made);
  end.resolve();
  await first;
});

test("what could not be made leaves the key free, and a request that waited for it makes it", async () => {
  const once = request();
  const entered = Promise.withResolvers<void>();
  const fail = Promise.withResolvers<void>();
  const failing = makeOnce(store, once, newId(), async (scope: QueryScope) => {
    await scope.pool.query("SELECT 1");
    entered.resolve();
    await fail.promise;
    throw new Error("refused");
  });
  await entered.promise;
  const waiting = makeRun(once);
  fail.resolve();
  await assert.rejects(failing, /refused/);
  assert.ok((await waiting).made);
});

test("a key is kept for a day: then it is as good as new, and swept", async () => {
  const [old, young] = [request(), request()];
  const first = await makeRun(old);
  await makeRun(young);
  await age(old.key, 23);
  assert.deepEqual(await makeRun(old), { id: first.id, made: undefined });
  await age(old.key, 2);
  const second = await makeRun({ ...old, requestHash: Buffer.alloc(32, 9) });
  assert.ok(second.made && second.id !== first.id);
  await age(old.key, 25);
  assert.equal(await removeExpiredKeys(db, 10), 1);
  assert.equal(await removeExpiredKeys(db, 10), 0);
  assert.deepEqual([await countKeys(old.key), await countKeys(young.key)], [0, 1]);
});
