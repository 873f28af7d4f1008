import { type Kysely, sql } from "kysely";

/** How often each error was seen in which of the last hours: hours since 1970 → runs. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE error_groups ADD COLUMN hours jsonb NOT NULL DEFAULT '{}'`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE error_groups DROP COLUMN hours`.execute(db);
}
