import { type Kysely, sql } from "kysely";

/** How long the first run of a revision waited for its isolate; null: none has told. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE function_revisions ADD COLUMN cold_start_ms double precision`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE function_revisions DROP COLUMN cold_start_ms`.execute(db);
}
