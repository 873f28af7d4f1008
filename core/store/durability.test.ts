import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { findDurabilityGaps } from "./durability.ts";
import { openTestStore } from "./testing/test-store.ts";
import { inTransaction } from "./transaction.ts";

const { store } = await openTestStore(createTestDatabase);

test("a setting that lets a crash take what was acknowledged is found, by its name and with what it costs", async () => {
  const gaps = await findDurabilityGaps(store);
  // The server of tests is quick, and loses what it has when the power goes.
  assert.deepEqual(
    gaps.map(({ setting }) => setting),
    ["fsync", "full_page_writes"],
  );
  for (const { cost } of gaps) assert.match(cost, /^a crash of the machine may /);
});

test("so is one of a database or a role, and none that only waits for less of a standby", async () => {
  for (const [value, isFound] of [
    ["off", true],
    ["local", false],
    ["remote_apply", false],
  ] as const)
    await inTransaction(store.pool, async (tx) => {
      await tx.pool.query("SELECT set_config('synchronous_commit', $1, true)", [value]);
      const found = (await findDurabilityGaps(tx)).some(({ setting }) => setting === "synchronous_commit");
      assert.equal(found, isFound, value);
    });
});
