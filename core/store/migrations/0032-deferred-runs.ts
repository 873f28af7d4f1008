import { type Kysely, sql } from "kysely";

/** Runs whose attempt is completed later by whoever was sent its request: in a state of their own, which no claim takes. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const STATES =
  "'scheduled', 'queued', 'running', 'succeeded', 'failed', 'dead', 'cancelled', 'skipped', 'expired'";
const OPEN_STATES = "'scheduled', 'queued', 'running', 'dead'";

// Runs that stand keep to what was narrower: they need not be looked at.
const checks = (states: string, open: string) => [
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_state_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_state_check CHECK (state IN (${states})) NOT VALID`,
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_check
    CHECK ((finished_at = 'infinity') = (state IN (${open}))) NOT VALID`,
];

const UP = [
  "ALTER TABLE task_runs ADD COLUMN complete_by timestamptz",
  ...checks(`${STATES}, 'deferred'`, `${OPEN_STATES}, 'deferred'`),
  "CREATE INDEX task_runs_open_deferred ON task_runs_open (complete_by) WHERE state = 'deferred'",
];

const DOWN = [
  // Their workers are gone or know nothing of them: they are rescued like any lost run.
  "UPDATE task_runs_open SET state = 'running' WHERE state = 'deferred'",
  "DROP INDEX task_runs_open_deferred",
  ...checks(STATES, OPEN_STATES),
  "ALTER TABLE task_runs DROP COLUMN complete_by",
];
