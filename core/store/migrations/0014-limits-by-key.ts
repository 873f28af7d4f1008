import { type Kysely, sql } from "kysely";

/** Limits are data, one row a key; a run names the keys that hold for it, and which permits it has. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

/** As the release before has it. */
const FUNCTIONS_ONLY = `CHECK
    (room IS NULL OR (room IN ('awaited', 'offered') AND state = 'queued' AND function_id IS NOT NULL))`;

const UP = [
  // The row is what claims and ends lock: it is updated all the time, and never an indexed column of it but the flag.
  `CREATE TABLE run_limits (
    key text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 300),
    namespace_id uuid NOT NULL REFERENCES namespaces,
    concurrency integer CHECK (concurrency >= 1),
    permits_held integer NOT NULL DEFAULT 0 CHECK (permits_held >= 0),
    has_waiting boolean NOT NULL DEFAULT false
  ) WITH (fillfactor = 50)`,
  "CREATE INDEX run_limits_waiting ON run_limits (key) WHERE has_waiting",
  `ALTER TABLE task_runs
    ADD COLUMN limit_keys text[],
    ADD COLUMN permits text[],
    ADD COLUMN waiting_for text,
    ADD COLUMN waiting_key text`,
  // Of the open runs alone: finished ones wait for nothing, and there may be many of them to look through.
  `ALTER TABLE task_runs_open ADD CONSTRAINT task_runs_open_waiting_check
    CHECK (waiting_for IS NULL OR (waiting_for = 'concurrency' AND waiting_key IS NOT NULL))`,
  // Who waits for a key, and who was granted permits, in the order of their turn.
  `CREATE INDEX task_runs_open_waiting ON task_runs_open (waiting_for, waiting_key, available_at, id)
    WHERE state = 'queued' AND waiting_key IS NOT NULL`,
  // What waits is kept out of \`task_runs_open_queued\` by \`room\`, which the release before goes by: any run may wait now.
  "ALTER TABLE task_runs_open DROP CONSTRAINT task_runs_open_room_check",
  `ALTER TABLE task_runs_open ADD CONSTRAINT task_runs_open_room_check
    CHECK (room IS NULL OR (room IN ('awaited', 'offered') AND state = 'queued'))`,
  // Empty but for what the release before lets wait.
  `CREATE INDEX task_runs_open_waiting_unnamed ON task_runs_open (id)
    WHERE room = 'awaited' AND waiting_key IS NULL`,
  // The functions that have a limit, and a permit for each of their runs under way.
  `INSERT INTO run_limits (key, namespace_id, concurrency, permits_held)
    SELECT 'function:' || f.id, f.namespace_id, (v.limits ->> 'concurrency')::int,
      (SELECT count(*) FROM task_runs_open r WHERE r.function_id = f.id AND r.state = 'running')
    FROM functions f JOIN function_revisions v ON v.id = f.active_revision_id
    WHERE v.limits ->> 'concurrency' IS NOT NULL AND f.removed_at IS NULL`,
  `UPDATE task_runs_open r SET permits = ARRAY[l.key] FROM run_limits l
    WHERE r.state = 'running' AND l.key = 'function:' || r.function_id`,
];

const DOWN = [
  "DROP INDEX task_runs_open_waiting_unnamed",
  "ALTER TABLE task_runs_open DROP CONSTRAINT task_runs_open_room_check",
  "UPDATE task_runs_open SET room = NULL WHERE room IS NOT NULL AND function_id IS NULL",
  `ALTER TABLE task_runs_open ADD CONSTRAINT task_runs_open_room_check ${FUNCTIONS_ONLY}`,
  "DROP INDEX task_runs_open_waiting",
  `ALTER TABLE task_runs
    DROP COLUMN limit_keys,
    DROP COLUMN permits,
    DROP COLUMN waiting_for,
    DROP COLUMN waiting_key`,
  "DROP TABLE run_limits",
];
