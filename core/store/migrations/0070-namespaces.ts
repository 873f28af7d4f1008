import { type Kysely, sql } from "kysely";

/** What a deletion of a namespace has deleted, by kind: its bulk action outlives the namespace. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE bulk_actions ADD COLUMN receipt jsonb`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE bulk_actions DROP COLUMN receipt`.execute(db);
}
