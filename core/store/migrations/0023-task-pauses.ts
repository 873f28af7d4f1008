import { type Kysely, sql } from "kysely";

/** Why and since when a task is paused, and from when on its failed runs count towards a pause. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`ALTER TABLE tasks ADD COLUMN paused_at timestamptz,
      ADD COLUMN paused_reason text CHECK (paused_reason IN ('requested', 'failures')),
      ADD COLUMN failures_since timestamptz`)
    .execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw("ALTER TABLE tasks DROP COLUMN failures_since, DROP COLUMN paused_reason, DROP COLUMN paused_at")
    .execute(db);
}
