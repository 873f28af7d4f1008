import { type Kysely, sql } from "kysely";

/** Streams of logs and events that APIs hold open, by namespace; each counts until its API renews it no more. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE open_streams (
      id uuid PRIMARY KEY,
      namespace_id uuid NOT NULL,
      counted_until timestamptz NOT NULL
    )`.execute(db);
  await sql`CREATE INDEX open_streams_of_namespace ON open_streams (namespace_id)`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`DROP TABLE open_streams`.execute(db);
}
