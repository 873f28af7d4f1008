import { type Kysely, sql } from "kysely";

/** Occurrences that did not become runs of their own are rows too, and say why. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(`ALTER TABLE task_runs ADD COLUMN skipped jsonb`).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE task_runs DROP COLUMN skipped").execute(db);
}
