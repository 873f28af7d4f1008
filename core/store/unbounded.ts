import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { Db } from "./database.ts";
import type { Database } from "./schema.ts";

/** A connection of its own, for what may take as long as it takes: no statement of it is given up. */
export function openUnbounded(databaseUrl: string): { db: Db; close(): Promise<void> } {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: "bellhop-migrate",
    max: 1,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  });
  // A connection that breaks fails the statement in hand; without listeners it would end the process.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  return { db, close: () => db.destroy() };
}
