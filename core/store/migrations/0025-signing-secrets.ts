import { type Kysely, sql } from "kysely";

/** What deliveries of a namespace are signed with, sealed: the highest number signs, with the one before it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`CREATE TABLE signing_secrets (
      namespace_id uuid NOT NULL REFERENCES namespaces,
      number integer NOT NULL CHECK (number >= 1),
      sealed bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (namespace_id, number)
    )`)
    .execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("DROP TABLE signing_secrets").execute(db);
}
