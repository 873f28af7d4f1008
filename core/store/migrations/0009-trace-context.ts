import { type Kysely, sql } from "kysely";

/** Where a task or a run came from, as a W3C `traceparent`; null where nothing was traced. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of TABLES) {
    await sql.raw(`ALTER TABLE ${table} ADD COLUMN traceparent text`).execute(db);
    // What stands there is null: not looking at it spares a scan under the table's lock.
    await sql
      .raw(`ALTER TABLE ${table} ADD CONSTRAINT ${table}_traceparent_check CHECK (${IS_VALID}) NOT VALID`)
      .execute(db);
  }
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const table of TABLES) await sql.raw(`ALTER TABLE ${table} DROP COLUMN traceparent`).execute(db);
}

const TABLES = ["tasks", "task_runs"];
const IS_VALID = "traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'";
