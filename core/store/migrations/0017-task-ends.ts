import { type Kysely, sql } from "kysely";

/** Tasks that are over: those that were removed are not shown any more, and all of them go in the end. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  "ALTER TABLE tasks ADD COLUMN removed_at timestamptz",
  "CREATE INDEX tasks_over ON tasks (id) WHERE state IN ('completed', 'cancelled')",
];

const DOWN = [
  // Their runs are read without them.
  "DELETE FROM tasks WHERE removed_at IS NOT NULL",
  "DROP INDEX tasks_over",
  "ALTER TABLE tasks DROP COLUMN removed_at",
];
