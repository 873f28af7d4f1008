import { type Kysely, sql } from "kysely";

/** Backfills: bulk actions with the instants that they make runs for (core/store/bulk/backfill.ts), and what made such a run. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `ALTER TABLE bulk_actions ADD COLUMN backfill jsonb, ADD COLUMN instants timestamptz[],
    ADD COLUMN waits boolean NOT NULL DEFAULT false`,
  // Runs that stand keep to what was narrower: they need not be looked at.
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_trigger_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_trigger_check
    CHECK (trigger IN ('schedule', 'manual', 'invoke', 'http', 'hook', 'callback', 'backfill')) NOT VALID`,
];

const DOWN = [
  "DELETE FROM task_runs WHERE trigger = 'backfill'",
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_trigger_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_trigger_check
    CHECK (trigger IN ('schedule', 'manual', 'invoke', 'http', 'hook', 'callback')) NOT VALID`,
  "DELETE FROM bulk_actions WHERE backfill IS NOT NULL",
  "ALTER TABLE bulk_actions DROP COLUMN waits, DROP COLUMN instants, DROP COLUMN backfill",
];
