import { type Kysely, sql } from "kysely";

/**
 * The tables of docs/architecture.md. `task_runs` is one table to its readers and two to the disk: open runs
 * (`finished_at = 'infinity'`) live in the small, hot partition `task_runs_open`, finished ones in their day's.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      "DROP TABLE task_logs, task_runs, tasks, function_revisions, functions, workers, api_keys, namespaces CASCADE",
    )
    .execute(db);
}

const UP = [
  `CREATE TABLE namespaces (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    namespace_id uuid NOT NULL REFERENCES namespaces,
    name text NOT NULL,
    key_hash bytea NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
  )`,
  `CREATE TABLE functions (
    id uuid PRIMARY KEY,
    namespace_id uuid NOT NULL REFERENCES namespaces,
    name text NOT NULL,
    active_revision_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (namespace_id, name)
  )`,
  `CREATE TABLE function_revisions (
    id uuid PRIMARY KEY,
    function_id uuid NOT NULL REFERENCES functions,
    number integer NOT NULL,
    content_hash text NOT NULL,
    entry text NOT NULL,
    files jsonb NOT NULL,
    code text NOT NULL,
    source_map text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (function_id, content_hash),
    UNIQUE (function_id, number)
  )`,
  `CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    namespace_id uuid NOT NULL REFERENCES namespaces,
    name text,
    state text NOT NULL CHECK (state IN ('active', 'paused', 'completed', 'cancelled')),
    type text NOT NULL CHECK (type IN ('http', 'email', 'function')),
    spec jsonb NOT NULL,
    function_id uuid REFERENCES functions,
    schedule jsonb NOT NULL,
    anchor_at timestamptz NOT NULL,
    next_run_at timestamptz,
    retry jsonb NOT NULL,
    timeout_ms integer NOT NULL CHECK (timeout_ms > 0),
    dead_letter boolean NOT NULL,
    labels jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (state <> 'active' OR next_run_at IS NOT NULL),
    CHECK (state IN ('active', 'paused') OR next_run_at IS NULL),
    CHECK ((type = 'function') = (function_id IS NOT NULL))
  ) WITH (fillfactor = 85)`,
  "CREATE INDEX tasks_due ON tasks (next_run_at) WHERE state = 'active'",
  "CREATE INDEX tasks_by_namespace ON tasks (namespace_id, id)",
  `CREATE TABLE workers (
    id uuid PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    slots integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL,
    draining boolean NOT NULL DEFAULT false
  )`,
  `CREATE TABLE task_runs (
    id uuid NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT 'infinity',
    namespace_id uuid NOT NULL,
    task_id uuid,
    function_id uuid,
    revision_id uuid,
    type text NOT NULL,
    trigger text NOT NULL CHECK (trigger IN ('schedule', 'manual', 'invoke')),
    state text NOT NULL CHECK (state IN
      ('scheduled', 'queued', 'running', 'succeeded', 'failed', 'dead', 'cancelled', 'skipped', 'expired')),
    attempt integer NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    attempt_offset integer NOT NULL DEFAULT 0,
    claim_no integer NOT NULL DEFAULT 0,
    scheduled_for timestamptz NOT NULL,
    available_at timestamptz NOT NULL,
    queued_at timestamptz,
    started_at timestamptz,
    dead_at timestamptz,
    worker_id uuid,
    cancel_requested_at timestamptz,
    awaited boolean NOT NULL DEFAULT false,
    timeout_ms integer,
    input jsonb,
    result jsonb,
    error jsonb,
    attempts jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (id, finished_at),
    CHECK ((finished_at = 'infinity') = (state IN ('scheduled', 'queued', 'running', 'dead'))),
    CHECK ((state = 'dead') = (dead_at IS NOT NULL)),
    CHECK (state <> 'running' OR (worker_id IS NOT NULL AND started_at IS NOT NULL)),
    CHECK (task_id IS NOT NULL OR function_id IS NOT NULL)
  ) PARTITION BY RANGE (finished_at)`,
  "CREATE INDEX task_runs_by_namespace ON task_runs (namespace_id, id)",
  "CREATE INDEX task_runs_by_task ON task_runs (task_id, id) WHERE task_id IS NOT NULL",
  `CREATE TABLE task_runs_open PARTITION OF task_runs FOR VALUES FROM ('infinity') TO (MAXVALUE)
    WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
      autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0)`,
  "CREATE INDEX task_runs_open_queued ON task_runs_open (available_at) WHERE state = 'queued'",
  "CREATE INDEX task_runs_open_scheduled ON task_runs_open (available_at) WHERE state = 'scheduled'",
  "CREATE INDEX task_runs_open_running ON task_runs_open (worker_id) WHERE state = 'running'",
  "CREATE INDEX task_runs_open_dead ON task_runs_open (namespace_id, id) WHERE state = 'dead'",
  `CREATE TABLE task_logs (
    id bigint GENERATED ALWAYS AS IDENTITY,
    recorded_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL,
    namespace_id uuid NOT NULL,
    run_id uuid NOT NULL,
    attempt integer NOT NULL,
    function_id uuid,
    revision_id uuid,
    level text NOT NULL CHECK (level IN ('debug', 'info', 'warn', 'error')),
    message text NOT NULL,
    fields jsonb
  ) PARTITION BY RANGE (at)`,
  "CREATE INDEX task_logs_by_run ON task_logs (run_id, id)",
  "CREATE INDEX task_logs_by_function ON task_logs (function_id, recorded_xid, id) WHERE function_id IS NOT NULL",
];
