import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase } from "../../test/support/database.ts";
import { findDurabilityGaps } from "./durability.ts";
import { openTestStore } from "./testing/test-store.ts";

const { db } = await openTestStore(createTestDatabase);

test("a setting that lets a crash take what was acknowledged is found, by its name and with what it costs", async () => {
  const gaps = await findDurabilityGaps(db);
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
    await db.transaction().execute(async (tx) => {
      await sql`SELECT set_config('synchronous_commit', ${value}, true)`.execute(tx);
      const found = (await findDurabilityGaps(tx)).some(({ setting }) => setting === "synchronous_commit");
      assert.equal(found, isFound, value);
    });
});
