import { type Kysely, sql } from "kysely";

/** Runs wait for their instant or their turn besides permits: those that stand keep to what was narrower. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  "ALTER TABLE task_runs_open DROP CONSTRAINT task_runs_open_waiting_check",
  `ALTER TABLE task_runs_open ADD CONSTRAINT task_runs_open_waiting_check CHECK (waiting_for IS NULL
    OR (waiting_for IN ('concurrency', 'instant', 'overlap') AND waiting_key IS NOT NULL)) NOT VALID`,
];

const DOWN = [
  `UPDATE task_runs_open SET waiting_for = NULL, waiting_key = NULL, room = NULL
    WHERE waiting_for IN ('instant', 'overlap')`,
  "ALTER TABLE task_runs_open DROP CONSTRAINT task_runs_open_waiting_check",
  `ALTER TABLE task_runs_open ADD CONSTRAINT task_runs_open_waiting_check
    CHECK (waiting_for IS NULL OR (waiting_for = 'concurrency' AND waiting_key IS NOT NULL))`,
];
