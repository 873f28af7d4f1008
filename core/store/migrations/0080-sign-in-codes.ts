import { type Kysely, sql } from "kysely";

/** Codes that sign in to the console, each once: by their hash, as keys are. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE sign_in_codes (
      code_hash bytea PRIMARY KEY CHECK (octet_length(code_hash) = 32),
      expires_at timestamptz NOT NULL
    )`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`DROP TABLE sign_in_codes`.execute(db);
}
