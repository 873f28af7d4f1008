import { sql } from "kysely";
import { type Migration, type MigrationResultSet, Migrator } from "kysely/migration";
import { BellhopError, messageOf } from "../errors.ts";
import type { Db } from "./database.ts";
import * as initial from "./migrations/0001-initial.ts";
import * as functionLimits from "./migrations/0002-function-limits.ts";
import * as revisionTraffic from "./migrations/0003-revision-traffic.ts";
import * as secrets from "./migrations/0004-secrets.ts";
import * as functionKv from "./migrations/0005-function-kv.ts";
import * as removedHooksIdempotency from "./migrations/0006-remove-functions-hooks-idempotency.ts";
import * as directLane from "./migrations/0007-direct-lane.ts";
import * as workerLoad from "./migrations/0008-worker-load.ts";
import * as traceContext from "./migrations/0009-trace-context.ts";
import * as workerReceive from "./migrations/0010-worker-receive.ts";
import * as runFences from "./migrations/0011-run-fences.ts";
import * as skippedRuns from "./migrations/0013-skipped-runs.ts";
import { ensurePartitions, partitionsStand } from "./partitions.ts";

const MIGRATIONS: Record<string, Migration> = {
  "0001-initial": initial,
  "0002-function-limits": functionLimits,
  "0003-revision-traffic": revisionTraffic,
  "0004-secrets": secrets,
  "0005-function-kv": functionKv,
  "0006-remove-functions-hooks-idempotency": removedHooksIdempotency,
  "0007-direct-lane": directLane,
  "0008-worker-load": workerLoad,
  "0009-trace-context": traceContext,
  "0010-worker-receive": workerReceive,
  "0011-run-fences": runFences,
  "0013-skipped-runs": skippedRuns,
};

/**
 * Brings the schema up to date, under a lock, so that any number of roles may start at once. Where nothing is to be
 * done, which is nearly always, one statement says so: a worker that is woken from zero waits for it.
 */
export async function migrateUp(db: Db, now: Date = new Date()): Promise<string[]> {
  try {
    if (await needsNothing(db, now)) return [];
    const done = await migrate(db, (migrator) => migrator.migrateToLatest());
    await ensurePartitions(db, now);
    return done;
  } catch (error) {
    throw new BellhopError(
      "database_unusable",
      500,
      `The PostgreSQL of DATABASE_URL cannot be used: ${messageOf(error)}`,
    );
  }
}

const UNDEFINED_TABLE = "42P01";

/** Throws where the schema has migrations that this code does not know. */
async function needsNothing(db: Db, now: Date): Promise<boolean> {
  try {
    const { rows } = await sql<{ names: string[]; stand: boolean }>`
      SELECT ARRAY(SELECT name::text FROM kysely_migration ORDER BY name COLLATE "C") AS names,
        ${partitionsStand(now)} AS stand`.execute(db);
    const { names, stand } = rows[0]!;
    const later = names.filter((name) => !(name in MIGRATIONS));
    if (later.length > 0)
      throw new Error(
        `it was made by a later version (${later.join(", ")}). Start that version, or have it take these back, newest first: npm run migrate -- down`,
      );
    return stand && names.length === Object.keys(MIGRATIONS).length;
  } catch (error) {
    if ((error as { code?: string }).code === UNDEFINED_TABLE) return false;
    throw error;
  }
}

/** Takes the newest migration back. */
export async function migrateDown(db: Db): Promise<string[]> {
  return await migrate(db, (migrator) => migrator.migrateDown());
}

/** Whether the schema is the one this code knows. */
export async function isMigrated(db: Db): Promise<boolean> {
  const { rows } = await sql<{ count: number }>`
    SELECT count(*)::int AS count FROM kysely_migration WHERE name = ANY(${Object.keys(MIGRATIONS)})`.execute(
    db,
  );
  return rows[0]?.count === Object.keys(MIGRATIONS).length;
}

/** The library's own, so that roles of a version which locks by it wait for us, and we for them. */
const MIGRATION_LOCK = 3_853_314_791_062_309_107n;

/** All or nothing, under a lock of the transaction: one of the session would be lost in a pooler's sessions. */
async function migrate(db: Db, run: (migrator: Migrator) => Promise<MigrationResultSet>): Promise<string[]> {
  return await db.transaction().execute(async (tx) => {
    await sql`SELECT pg_advisory_xact_lock(${sql.lit(MIGRATION_LOCK)})`.execute(tx);
    const { error, results } = await run(
      new Migrator({ db: tx, provider: { getMigrations: async () => MIGRATIONS } }),
    );
    if (error) throw error;
    return (results ?? [])
      .filter(({ status }) => status === "Success")
      .map(({ migrationName }) => migrationName);
  });
}
