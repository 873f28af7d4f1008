import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { createTestDatabase } from "./database.ts";

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

test("a migration runs once, and every database is a fresh copy of it", async () => {
  let migrations = 0;
  const migrate = async (url: string) => {
    migrations += 1;
    await query(url, "CREATE TABLE errands (name text); INSERT INTO errands VALUES ('post')");
  };
  const [one, two] = await Promise.all([createTestDatabase({ migrate }), createTestDatabase({ migrate })]);
  await query(one.url, "DELETE FROM errands");
  assert.deepEqual(await query(two.url, "SELECT name FROM errands"), [{ name: "post" }]);
  assert.equal(migrations, 1);
  await Promise.all([one.drop(), two.drop()]);
});
