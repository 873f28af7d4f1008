/** How migrations wait, and for whom. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { sql } from "kysely";
import type { Migration } from "kysely/migration";
import pg from "pg";
import { createTestDatabase } from "../../test/support/database.ts";
import { createRecording } from "../../test/support/recording.ts";
import { systemClock } from "../clock.ts";
import { openStore } from "./database.ts";
import { migrateUp } from "./migrate.ts";
import { type ChooseStep, type MigrationParts, takeSteps } from "./migration-steps.ts";
import { openUnbounded } from "./unbounded.ts";

const database = await createTestDatabase();
const store = openStore({
  ...{ databaseUrl: database.url, applicationName: "bellhop-test", maxConnections: 4 },
  onError: () => {},
});
await migrateUp(store);
const { db, close } = openUnbounded(database.url);
after(async () => {
  await close();
  await store.close();
  await database.drop();
});

const chooseUp =
  (migrations: Record<string, Migration>): ChooseStep =>
  (applied) => {
    const name = Object.keys(migrations).find((each) => !applied.includes(each));
    return name === undefined ? undefined : { name, direction: "up", migration: migrations[name]! };
  };

const statement = (text: string): Migration => ({
  up: async (tx) => void (await sql.raw(text).execute(tx)),
});

function partsOf(more: Partial<MigrationParts> = {}) {
  const lines = createRecording<string>("line");
  const parts: MigrationParts = { db, lookDb: store.db, clock: systemClock, report: lines.add, ...more };
  return { lines, parts };
}

async function openClient(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url, application_name: "long-reader" });
  await client.connect();
  return client;
}

test("a statement may take longer than those of a role, whatever the server's own limit", async () => {
  const client = await openClient();
  await client.query(
    `ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET statement_timeout = 1000`,
  );
  const own = openUnbounded(database.url);
  try {
    await assert.rejects(sql`SELECT pg_sleep(10)`.execute(own.db), { code: "57014" });
    const { parts } = partsOf({ db: own.db });
    const slow = chooseUp({ "7001-slow": statement("SELECT pg_sleep(1.5)") });
    assert.deepEqual(await takeSteps(slow, parts), ["7001-slow"]);
  } finally {
    await client.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} RESET statement_timeout`);
    await client.end();
    await own.close();
  }
});

test("each is committed by itself, and told when it begins and ends", async () => {
  const { parts, lines } = partsOf();
  const steps = chooseUp({
    "7002-first": statement("CREATE TABLE first ()"),
    "7003-broken": statement("CREATE TABLE first ()"),
  });
  await assert.rejects(takeSteps(steps, parts), { code: "42P07" });
  await sql`SELECT FROM first`.execute(db);
  const [begun, done, broken, ...more] = lines.items;
  assert.equal(begun, "migration 7002-first: up");
  assert.match(done!, /^migration 7002-first: done in \d/);
  assert.deepEqual([broken, more], ["migration 7003-broken: up", []]);
});

test("a lock that is held is waited for without keeping others, and its holder is named", async () => {
  const reader = await openClient();
  await reader.query("BEGIN");
  await reader.query("SELECT FROM tasks");
  const { parts, lines } = partsOf();
  const taking = takeSteps(
    chooseUp({ "7004-locked": statement("ALTER TABLE tasks ADD COLUMN locked int") }),
    parts,
  );
  await lines.waitFor((line) =>
    /7004-locked waits for a lock, held by long-reader \(process \d+\)/.test(line),
  );
  // Who comes after it is served: nobody stands in the queue any more.
  await store.pool.query("SELECT count(*) FROM tasks");
  await reader.query("COMMIT");
  assert.deepEqual(await taking, ["7004-locked"]);
  assert.equal(new Set(lines.items).size, lines.items.length, "none is told twice");
  await reader.end();
});

test("whoever finds another at it waits, however long, and shares the work", async () => {
  const began = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const held: Migration = {
    async up() {
      began.resolve();
      await goOn.promise;
    },
  };
  const first = partsOf();
  const one = takeSteps(chooseUp({ "7005-held": held }), first.parts);
  await began.promise;
  const other = openUnbounded(database.url);
  const second = partsOf({ db: other.db });
  const two = takeSteps(chooseUp({ "7005-held": held, "7006-next": statement("SELECT 1") }), second.parts);
  await second.lines.waitFor((line) => line === "another process migrates the schema; waiting for it");
  goOn.resolve();
  assert.deepEqual([await one, await two], [["7005-held"], ["7006-next"]]);
  await other.close();
});

test("who is stopped waits no longer", async () => {
  const reader = await openClient();
  await reader.query("BEGIN");
  await reader.query("SELECT FROM tasks");
  const stop = new AbortController();
  const { parts, lines } = partsOf({ signal: stop.signal });
  const taking = takeSteps(
    chooseUp({ "7007-never": statement("ALTER TABLE tasks ADD COLUMN never int") }),
    parts,
  );
  await lines.waitFor((line) => /7007-never waits/.test(line));
  stop.abort(new Error("stopped"));
  await assert.rejects(taking, /stopped/);
  await reader.end();
});
