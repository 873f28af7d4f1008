import { type Kysely, sql } from "kysely";

/**
 * Occurrences of tasks that name an expectation: a row from the birth of its run until it has been judged, and for as
 * long as runs are kept where it was not met. A row without a run is of an instant that did not fire in time.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `CREATE TABLE expectations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace_id uuid NOT NULL,
    task_id uuid NOT NULL,
    run_id uuid,
    scheduled_for timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    next_at timestamptz,
    look_at timestamptz,
    missed_at timestamptz,
    CHECK (look_at IS NOT NULL OR missed_at IS NOT NULL),
    CHECK (run_id IS NOT NULL OR missed_at IS NOT NULL)
  )`,
  "CREATE INDEX expectations_watched ON expectations (look_at) WHERE look_at IS NOT NULL",
  "CREATE UNIQUE INDEX expectations_unfired ON expectations (task_id, scheduled_for) WHERE run_id IS NULL",
  `CREATE UNIQUE INDEX expectations_missed_by_run ON expectations (namespace_id, run_id)
    WHERE missed_at IS NOT NULL AND run_id IS NOT NULL`,
  "CREATE INDEX expectations_missed ON expectations (missed_at) WHERE missed_at IS NOT NULL",
  `CREATE TABLE overrunning_tasks (
    task_id uuid PRIMARY KEY,
    run_id uuid NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
  )`,
];

const DOWN = ["DROP TABLE overrunning_tasks", "DROP TABLE expectations"];
