import { type Kysely, sql } from "kysely";

/** How much namespaces with a limit of it store, as it was measured last: by day, and for `infinity` what has none. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE stored_bytes (
      namespace_id uuid NOT NULL,
      day date NOT NULL,
      bytes bigint NOT NULL CHECK (bytes >= 0),
      measured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      removed_on date NOT NULL,
      PRIMARY KEY (namespace_id, day)
    )`.execute(db);
  await sql`CREATE INDEX namespaces_with_stored_bytes ON namespaces (id) WHERE limits ->> 'storedBytes' IS NOT NULL`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`DROP INDEX namespaces_with_stored_bytes`.execute(db);
  await sql`DROP TABLE stored_bytes`.execute(db);
}
