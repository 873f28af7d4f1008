import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { type DedupRequest, makeUnlessMade } from "./dedup.ts";
import { newId } from "./ids.ts";
import { openTestStore, untilBlocked } from "./testing/test-store.ts";
import type { Transaction } from "./transaction.ts";

const { store, newNamespace } = await openTestStore(createTestDatabase);
const request: DedupRequest = {
  namespaceId: await newNamespace(),
  operation: "dedup/tasks",
  contentHash: Buffer.alloc(32, 1),
  windowMs: 60_000,
};

/** Makes nothing; answers the id, and whose it is. */
async function make(asked: DedupRequest, during: (tx: Transaction) => Promise<void> = async () => {}) {
  const id = newId();
  const making = {
    id,
    async make(tx: Transaction) {
      await during(tx);
      return id;
    },
    find: async (_tx: Transaction, standing: string) => standing,
  };
  return await makeUnlessMade(store, asked, making);
}

test("who comes while the same is being made waits for it, until that takes too long", async () => {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const first = make(request, async ({ pool }) => {
    await pool.query("SET LOCAL idle_in_transaction_session_timeout TO 0");
    begun.resolve();
    await end.promise;
  });
  await begun.promise;
  await assert.rejects(make(request), { status: 409, code: "duplicate_under_way" });
  assert.ok(
    "made" in (await make({ ...request, contentHash: Buffer.alloc(32, 2) })),
    "other content waits for nobody",
  );
  const waiting = make(request);
  await untilBlocked(store);
  end.resolve();
  const made = await first;
  assert.ok("made" in made);
  assert.deepEqual(await waiting, { standing: made.made });
});

test("what waits for other things after the content was taken, or found, waits as ever", async () => {
  const shown = async (tx: Transaction) => {
    const { rows } = await tx.pool.query("SHOW lock_timeout");
    assert.deepEqual(rows, [{ lock_timeout: "0" }]);
  };
  const asked = { ...request, contentHash: Buffer.alloc(32, 3) };
  const making = { id: newId(), make: shown, find: shown };
  for (const _time of ["taken", "found"]) await makeUnlessMade(store, asked, making);
});

test("where making it fails it is free", async () => {
  const asked = { ...request, contentHash: Buffer.alloc(32, 4) };
  await assert.rejects(
    make(asked, () => Promise.reject(new Error("no"))),
    /^Error: no$/,
  );
  assert.ok("made" in (await make(asked)));
});
