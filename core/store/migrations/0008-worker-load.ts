import { type Kysely, sql } from "kysely";

/** Workers say how many of their slots are taken: calls that are handed to them directly are rows only when they last. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE workers ADD COLUMN busy integer NOT NULL DEFAULT 0").execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE workers DROP COLUMN busy").execute(db);
}
