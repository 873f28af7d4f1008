import { type Kysely, sql } from "kysely";

/** What an operator lets a namespace have; null: it has no limits. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE namespaces ADD COLUMN limits jsonb`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE namespaces DROP COLUMN limits`.execute(db);
}
