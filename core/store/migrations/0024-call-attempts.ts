import { type Kysely, sql } from "kysely";

/** How often a call is tried: what its caller asked for, or its hook says. */
export async function up(db: Kysely<unknown>): Promise<void> {
  // Null: once, as nearly every call.
  await sql.raw("ALTER TABLE task_runs ADD COLUMN max_attempts smallint").execute(db);
  await sql.raw("ALTER TABLE function_hooks ADD COLUMN max_attempts smallint NOT NULL DEFAULT 1").execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE function_hooks DROP COLUMN max_attempts").execute(db);
  await sql.raw("ALTER TABLE task_runs DROP COLUMN max_attempts").execute(db);
}
