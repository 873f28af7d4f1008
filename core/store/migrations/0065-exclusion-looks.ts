import { type Kysely, sql } from "kysely";

/** What is excluded is told of as it passes (core/store/tasks/exclusions.ts), in the row of those before it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `ALTER TABLE task_exclusions ADD COLUMN look_at timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN open_run_id uuid, ADD COLUMN open_run_at timestamptz`,
  "CREATE INDEX task_exclusions_look ON task_exclusions (look_at)",
];

const DOWN = [
  "DROP INDEX task_exclusions_look",
  "ALTER TABLE task_exclusions DROP COLUMN look_at, DROP COLUMN open_run_id, DROP COLUMN open_run_at",
];
