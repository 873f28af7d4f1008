import { type Kysely, sql } from "kysely";

/** How many runs of a key may start in which time; columns beside the permits, under the same lock. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE run_limits ADD COLUMN rate_interval_ms float8, ADD COLUMN rate_burst integer,
    ADD COLUMN rate_used_until_ms float8 NOT NULL DEFAULT 0`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE run_limits DROP COLUMN rate_used_until_ms, DROP COLUMN rate_burst,
    DROP COLUMN rate_interval_ms`.execute(db);
}
