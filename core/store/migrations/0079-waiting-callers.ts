import { type Kysely, sql } from "kysely";

/** How many callers each API holds until a worker takes their calls: they are no runs yet, and want a slot all the same. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE waiting_callers (
      api_id uuid PRIMARY KEY,
      callers int NOT NULL CHECK (callers > 0),
      told_until timestamptz NOT NULL
    )`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`DROP TABLE waiting_callers`.execute(db);
}
