import { type Kysely, sql } from "kysely";

/** Queues are rows, their limits rows of `run_limits` like any other; a run says whose it is and keeps its keys. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `CREATE TABLE queues (
    namespace_id uuid NOT NULL REFERENCES namespaces,
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    limits jsonb NOT NULL DEFAULT '{}',
    paused_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (namespace_id, name)
  )`,
  "CREATE INDEX queues_paused ON queues (paused_until) WHERE paused_until < 'infinity'",
  // No default is volatile: no row is written anew.
  `ALTER TABLE run_limits
    ADD COLUMN is_default boolean NOT NULL DEFAULT false,
    ADD COLUMN parent_key text,
    ADD COLUMN per_key jsonb,
    ADD COLUMN paused_until timestamptz`,
  "CREATE INDEX run_limits_default ON run_limits (namespace_id) WHERE is_default",
  "CREATE INDEX run_limits_by_parent ON run_limits (parent_key) WHERE parent_key IS NOT NULL",
  "ALTER TABLE tasks ADD COLUMN queue text, ADD COLUMN limit_keys text[]",
  "ALTER TABLE task_runs ADD COLUMN queue text",
  // Of runs in \`default\` that name no key there is none: they pay for nothing here.
  `CREATE INDEX task_runs_open_by_queue ON task_runs_open (namespace_id, queue)
    WHERE state = 'queued' AND queue IS NOT NULL`,
  "CREATE INDEX tasks_by_queue ON tasks (namespace_id, queue, id) WHERE queue IS NOT NULL",
];

const DOWN = [
  "DROP INDEX tasks_by_queue, task_runs_open_by_queue",
  "ALTER TABLE task_runs DROP COLUMN queue",
  "ALTER TABLE tasks DROP COLUMN limit_keys, DROP COLUMN queue",
  // What waits for a queue's limit waits for nothing any more.
  `UPDATE task_runs_open SET waiting_for = NULL, waiting_key = NULL, room = NULL
    WHERE state = 'queued' AND (waiting_key LIKE 'queue:%' OR waiting_key LIKE 'rate:%')`,
  "DELETE FROM run_limits WHERE key LIKE 'queue:%' OR key LIKE 'rate:%'",
  `ALTER TABLE run_limits DROP COLUMN paused_until, DROP COLUMN per_key, DROP COLUMN parent_key,
    DROP COLUMN is_default`,
  "DROP TABLE queues",
];
