import { type Kysely, sql } from "kysely";

/** The namespaces whose runs may take a share of the slots: looked at each second, and few or none. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE INDEX namespaces_with_slots_share ON namespaces (id) WHERE limits ->> 'slotsShare' IS NOT NULL`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`DROP INDEX namespaces_with_slots_share`.execute(db);
}
