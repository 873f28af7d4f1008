import { type Kysely, sql } from "kysely";

/**
 * Callbacks: whom the end of a run calls, on tasks, on namespaces for tasks that name nobody, and on the run, which takes
 * it along from its beginning. What an end calls stands in `run_callbacks` until its runs are made.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  "ALTER TABLE tasks ADD COLUMN on_end jsonb CHECK (jsonb_typeof(on_end) = 'object')",
  `CREATE TABLE namespace_settings (
    namespace_id uuid PRIMARY KEY REFERENCES namespaces,
    on_end jsonb CHECK (jsonb_typeof(on_end) = 'object'),
    updated_at timestamptz NOT NULL DEFAULT now()
  )`,
  "ALTER TABLE task_runs ADD COLUMN on_end jsonb, ADD COLUMN callback_of uuid",
  // Runs that stand keep to what was narrower: they need not be looked at.
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_trigger_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_trigger_check
    CHECK (trigger IN ('schedule', 'manual', 'invoke', 'http', 'hook', 'callback')) NOT VALID`,
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_check3",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_origin_check
    CHECK (task_id IS NOT NULL OR function_id IS NOT NULL OR trigger = 'callback') NOT VALID`,
  `CREATE TABLE run_callbacks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    task_id uuid,
    state text NOT NULL,
    error jsonb,
    on_end jsonb NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
  )`,
];

const DOWN = [
  "DROP TABLE run_callbacks",
  "DELETE FROM task_runs WHERE trigger = 'callback'",
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_origin_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_check3 CHECK (task_id IS NOT NULL OR function_id IS NOT NULL)`,
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_trigger_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_trigger_check
    CHECK (trigger IN ('schedule', 'manual', 'invoke', 'http', 'hook'))`,
  "ALTER TABLE task_runs DROP COLUMN callback_of, DROP COLUMN on_end",
  "DROP TABLE namespace_settings",
  "ALTER TABLE tasks DROP COLUMN on_end",
];
