import { type Kysely, sql } from "kysely";

/** A redriven run's deadline is counted from its redrive. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE task_runs ADD COLUMN redriven_at timestamptz").execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE task_runs DROP COLUMN redriven_at").execute(db);
}
