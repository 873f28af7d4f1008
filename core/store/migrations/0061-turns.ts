import { type Kysely, sql } from "kysely";

/**
 * Runs that wait for a limit stand in an index of their own, by priority and in turns (core/store/limits/turns.ts); it holds
 * no other run, and the one before holds those no more.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const WAITING = "WHERE state = 'queued' AND waiting_for = 'concurrency'";

const UP = [
  "ALTER TABLE task_runs ADD COLUMN turn bigint, ADD COLUMN turn_key text",
  `CREATE INDEX task_runs_open_line ON task_runs_open (waiting_key, priority DESC, turn NULLS FIRST, available_at, id) ${WAITING}`,
  `CREATE INDEX task_runs_open_turns ON task_runs_open (waiting_key, turn_key, priority, turn) ${WAITING} AND turn_key IS NOT NULL`,
  "DROP INDEX task_runs_open_waiting",
  `CREATE INDEX task_runs_open_waiting ON task_runs_open (waiting_for, waiting_key, available_at, id)
    WHERE state = 'queued' AND waiting_key IS NOT NULL AND (waiting_for IS NULL OR waiting_for <> 'concurrency')`,
];

const DOWN = [
  "DROP INDEX task_runs_open_waiting",
  `CREATE INDEX task_runs_open_waiting ON task_runs_open (waiting_for, waiting_key, available_at, id)
    WHERE state = 'queued' AND waiting_key IS NOT NULL`,
  "DROP INDEX task_runs_open_turns, task_runs_open_line",
  "ALTER TABLE task_runs DROP COLUMN turn_key, DROP COLUMN turn",
];
