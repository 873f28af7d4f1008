import { type Kysely, sql } from "kysely";

/** What was done to tasks, and with whose keys. What made a task is told by its own row. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `CREATE TABLE task_changes (
    id uuid PRIMARY KEY,
    task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
    change text NOT NULL CHECK (change IN ('changed', 'paused', 'resumed', 'cancelled')),
    at timestamptz NOT NULL,
    key_id uuid,
    reason text,
    diff jsonb NOT NULL DEFAULT '[]'
  )`,
  "CREATE INDEX task_changes_newest ON task_changes (task_id, id DESC)",
  "ALTER TABLE tasks ADD COLUMN created_by uuid",
  "ALTER TABLE bulk_actions ADD COLUMN created_by uuid",
];

const DOWN = [
  "ALTER TABLE bulk_actions DROP COLUMN created_by",
  "ALTER TABLE tasks DROP COLUMN created_by",
  "DROP TABLE task_changes",
];
