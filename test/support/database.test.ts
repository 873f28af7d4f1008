import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { openStore } from "../../core/store/database.ts";
import { migrateUp } from "../../core/store/migrate.ts";
import { createEmptyDatabase, createTestDatabase } from "./database.ts";

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

test("each database is its own, and dropping ends its sessions", async () => {
  const [one, two] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  await query(one.url, "CREATE TABLE errands (name text)");
  assert.deepEqual(await query(two.url, "SELECT to_regclass('errands') AS found"), [{ found: null }]);

  const session = new pg.Client({ connectionString: one.url });
  await session.connect();
  const ended = new Promise((resolve) => session.once("end", resolve));
  session.on("error", () => {});
  await one.drop();
  await one.drop();
  await ended;
  await assert.rejects(query(one.url, "SELECT 1"), { code: "3D000" });
  await two.drop();
});

test("a copy is as one that was migrated, and nobody else's; an empty one has no schema", async () => {
  const [one, two, empty] = await Promise.all([
    createTestDatabase(),
    createTestDatabase(),
    createEmptyDatabase(),
  ]);
  const migrations = "SELECT name FROM kysely_migration ORDER BY name";
  await query(one.url, "DELETE FROM kysely_migration");
  assert.deepEqual(await query(one.url, migrations), []);
  const migrated = openStore({
    ...{ databaseUrl: empty.url, applicationName: "bellhop-test", maxConnections: 1 },
    onError: () => {},
  });
  assert.deepEqual(await query(empty.url, "SELECT to_regclass('tasks') AS found"), [{ found: null }]);
  await migrateUp(migrated);
  await migrated.close();
  assert.deepEqual(await query(two.url, migrations), await query(empty.url, migrations));
  // They are no part of a copy.
  const settings = `SELECT setrole::text, setconfig FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY setrole`;
  const rights = "SELECT datacl::text, datconnlimit FROM pg_database WHERE datname = current_database()";
  for (const asked of [settings, rights])
    assert.deepEqual(await query(two.url, asked), await query(empty.url, asked));
  await Promise.all([one.drop(), two.drop(), empty.drop()]);
});
