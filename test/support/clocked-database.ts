/**
 * A database whose clock is the test's: its sessions find `clock_timestamp` and `statement_timestamp` in a schema that
 * stands before the server's own.
 */
import pg from "pg";
import { createEmptyDatabase, type TestDatabase } from "./database.ts";

const STUB = `
  CREATE SCHEMA stubbed;
  CREATE TABLE stubbed.clock (now timestamptz NOT NULL);
  INSERT INTO stubbed.clock VALUES (now());
  CREATE FUNCTION stubbed.clock_timestamp() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT now FROM stubbed.clock';
  CREATE FUNCTION stubbed.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT now FROM stubbed.clock';
  DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path TO public, stubbed, pg_catalog', current_database());
  END $$`;

export async function createClockedDatabase(): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(STUB);
  await client.end();
  return database;
}

export async function setDatabaseClock({ pool }: { pool: pg.Pool }, now: Date): Promise<void> {
  await pool.query("UPDATE stubbed.clock SET now = $1", [now]);
}
