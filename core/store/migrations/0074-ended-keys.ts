import { type Kysely, sql } from "kysely";

/** Keys that ended long ago are removed: by this index they are found. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE INDEX api_keys_ended ON api_keys (least(revoked_at, expires_at))
    WHERE revoked_at IS NOT NULL OR expires_at IS NOT NULL`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`DROP INDEX api_keys_ended`.execute(db);
}
