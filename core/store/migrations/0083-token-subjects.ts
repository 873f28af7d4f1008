import { type Kysely, sql } from "kysely";

/** Who came with tokens of an OpenID provider, so that what they did can be told by name. The id is made of the other two. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE token_subjects (
      id uuid PRIMARY KEY,
      issuer text NOT NULL,
      subject text NOT NULL,
      last_seen_at timestamptz NOT NULL DEFAULT now()
    )`.execute(db);
  await sql`CREATE INDEX token_subjects_seen ON token_subjects (last_seen_at)`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`DROP TABLE token_subjects`.execute(db);
}
