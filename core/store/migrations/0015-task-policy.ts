import { type Kysely, sql } from "kysely";

/** How a task's runs are tried, in one value: a later field of it needs no column. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE tasks ADD COLUMN policy jsonb NOT NULL DEFAULT '{}'").execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE tasks DROP COLUMN policy").execute(db);
}
