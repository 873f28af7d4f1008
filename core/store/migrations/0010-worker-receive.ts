import { type Kysely, sql } from "kysely";

/** Workers say how they receive, so that those for long runs can be scaled by what they have. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE workers ADD COLUMN receive text NOT NULL DEFAULT 'queue'").execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE workers DROP COLUMN receive").execute(db);
}
