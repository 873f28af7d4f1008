import { type Kysely, sql } from "kysely";

/** Where the calls of a hook stand: their queue, their keys there and their priority; null, as everything that says nothing. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE function_hooks ADD COLUMN place jsonb`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE function_hooks DROP COLUMN place`.execute(db);
}
