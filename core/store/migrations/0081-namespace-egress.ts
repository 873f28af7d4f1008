import { type Kysely, sql } from "kysely";

/** Where requests of a namespace may go; null: where the installation lets everybody go. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE namespaces ADD COLUMN egress jsonb`.execute(db);
  await sql`CREATE INDEX namespaces_with_egress ON namespaces (id) WHERE egress IS NOT NULL`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE namespaces DROP COLUMN egress`.execute(db);
}
