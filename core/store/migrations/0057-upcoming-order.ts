import { type Kysely, sql } from "kysely";

/** What tasks fire next stands in the order of its pages: of tasks of one instant, in that of their ids. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await rebuild(db, "namespace_id, next_run_at, id");
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await rebuild(db, "namespace_id, next_run_at");
}

async function rebuild(db: Kysely<unknown>, columns: string): Promise<void> {
  await sql.raw("DROP INDEX tasks_upcoming").execute(db);
  await sql.raw(`CREATE INDEX tasks_upcoming ON tasks (${columns}) WHERE state = 'active'`).execute(db);
}
