import { type Kysely, sql } from "kysely";

/** Which of the runs that wait start first. Defaults are constants: no row is written anew. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of ["tasks", "task_runs"])
    await sql.raw(`ALTER TABLE ${table} ADD COLUMN priority smallint NOT NULL DEFAULT 50`).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const table of ["task_runs", "tasks"])
    await sql.raw(`ALTER TABLE ${table} DROP COLUMN priority`).execute(db);
}
