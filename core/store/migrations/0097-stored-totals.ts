import { type Kysely, sql } from "kysely";

/** In a namespace's row of `infinity`: what all its days come to, and when it is measured next, so that one scheduler does. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE stored_bytes ADD COLUMN total bigint,
      ADD COLUMN next_at timestamptz NOT NULL DEFAULT '-infinity'`.execute(db);
  await sql`
    UPDATE stored_bytes s SET total = (SELECT sum(bytes) FROM stored_bytes d WHERE d.namespace_id = s.namespace_id)
    WHERE s.day = 'infinity'`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE stored_bytes DROP COLUMN total, DROP COLUMN next_at`.execute(db);
}
