import { type Kysely, sql } from "kysely";

/** Where a task fires in its window, how many runs it has left, and the search for an instant that was not found. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `ALTER TABLE tasks ADD COLUMN jitter_offset_ms integer, ADD COLUMN runs_left integer,
    ADD COLUMN seek_from timestamptz, ADD COLUMN seek_error text, ADD COLUMN seek_tried_at timestamptz`,
  // Rows that stand keep to what was narrower: they need not be looked at.
  "ALTER TABLE tasks DROP CONSTRAINT tasks_check",
  `ALTER TABLE tasks ADD CONSTRAINT tasks_check
    CHECK (state <> 'active' OR next_run_at IS NOT NULL OR seek_from IS NOT NULL) NOT VALID`,
  "CREATE INDEX tasks_seeking ON tasks (seek_tried_at NULLS FIRST) WHERE seek_from IS NOT NULL",
  "CREATE INDEX tasks_upcoming ON tasks (namespace_id, next_run_at) WHERE state = 'active'",
];

const DOWN = [
  "DROP INDEX tasks_upcoming, tasks_seeking",
  // Without the search they would never fire: whoever resumes them sees why.
  "UPDATE tasks SET state = 'paused' WHERE state = 'active' AND next_run_at IS NULL",
  "ALTER TABLE tasks DROP CONSTRAINT tasks_check",
  "ALTER TABLE tasks ADD CONSTRAINT tasks_check CHECK (state <> 'active' OR next_run_at IS NOT NULL)",
  `ALTER TABLE tasks DROP COLUMN seek_tried_at, DROP COLUMN seek_error, DROP COLUMN seek_from,
    DROP COLUMN runs_left, DROP COLUMN jitter_offset_ms`,
];
