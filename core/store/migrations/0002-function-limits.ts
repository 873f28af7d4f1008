import { type Kysely, sql } from "kysely";

/** Limits belong to a revision; a queued run may wait for room among its function's runs at once. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `ALTER TABLE function_revisions
    ADD COLUMN limits jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(limits) = 'object'),
    ADD COLUMN reuse boolean NOT NULL DEFAULT true`,
  "ALTER TABLE task_runs ADD COLUMN room text",
  // Of the open runs alone: finished ones have none, and there may be many of them to look through.
  `ALTER TABLE task_runs_open ADD CONSTRAINT task_runs_open_room_check CHECK
    (room IS NULL OR (room IN ('awaited', 'offered') AND state = 'queued' AND function_id IS NOT NULL))`,
  // Claims, sweeps and re-rings walk this one: what waits for room must not stand in their way.
  "DROP INDEX task_runs_open_queued",
  `CREATE INDEX task_runs_open_queued ON task_runs_open (available_at)
    WHERE state = 'queued' AND room IS DISTINCT FROM 'awaited'`,
  "CREATE INDEX task_runs_open_room ON task_runs_open (function_id, room, available_at, id) WHERE room IS NOT NULL",
  `CREATE INDEX task_runs_open_function ON task_runs_open (function_id)
    WHERE state = 'running' AND function_id IS NOT NULL`,
];

const DOWN = [
  "DROP INDEX task_runs_open_function, task_runs_open_room, task_runs_open_queued",
  "ALTER TABLE task_runs DROP COLUMN room",
  "CREATE INDEX task_runs_open_queued ON task_runs_open (available_at) WHERE state = 'queued'",
  "ALTER TABLE function_revisions DROP COLUMN limits, DROP COLUMN reuse",
];
