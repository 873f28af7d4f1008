import { type Kysely, sql } from "kysely";

/** Traffic between revisions, tags, env and secrets, the key-value store, hooks, calls that are handed to a worker. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  // `active_revision_id` leads: it has the largest share, and its `concurrency` is the function's.
  `ALTER TABLE functions
    ADD COLUMN traffic jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(traffic) = 'object'),
    ADD COLUMN previous_traffic jsonb CHECK (jsonb_typeof(previous_traffic) = 'object'),
    ADD COLUMN env jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(env) = 'object'),
    ADD COLUMN is_public boolean NOT NULL DEFAULT false,
    ADD COLUMN removed_at timestamptz`,
  `UPDATE functions SET traffic = jsonb_build_object(active_revision_id::text, 100)
    WHERE active_revision_id IS NOT NULL`,
  // The name of a removed function is free again.
  "ALTER TABLE functions DROP CONSTRAINT functions_namespace_id_name_key",
  "CREATE UNIQUE INDEX functions_by_name ON functions (namespace_id, name) WHERE removed_at IS NULL",
  "CREATE INDEX functions_removed ON functions (namespace_id, name, removed_at) WHERE removed_at IS NOT NULL",
  `CREATE TABLE function_tags (
    function_id uuid NOT NULL REFERENCES functions,
    tag text NOT NULL CHECK (tag ~ '^[a-z][a-z0-9-]{0,62}$'),
    revision_id uuid NOT NULL REFERENCES function_revisions,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (function_id, tag)
  )`,
  `CREATE TABLE secrets (
    namespace_id uuid NOT NULL REFERENCES namespaces,
    function_id uuid REFERENCES functions,
    name text NOT NULL CHECK (name ~ '^[A-Za-z_][A-Za-z0-9_]{0,127}$'),
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (namespace_id, function_id, name)
  )`,
  `CREATE TABLE function_kv (
    function_id uuid NOT NULL REFERENCES functions,
    key text COLLATE "C" NOT NULL,
    value text NOT NULL,
    bytes integer NOT NULL,
    version bigint GENERATED ALWAYS AS IDENTITY,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (function_id, key)
  )`,
  `CREATE TABLE function_kv_usage (
    function_id uuid PRIMARY KEY REFERENCES functions,
    keys integer NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0
  )`,
  `CREATE TABLE function_hooks (
    id uuid PRIMARY KEY,
    namespace_id uuid NOT NULL REFERENCES namespaces,
    function_id uuid NOT NULL REFERENCES functions,
    name text,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
  )`,
  "CREATE INDEX function_hooks_by_function ON function_hooks (function_id, id)",
  `CREATE TABLE idempotency_keys (
    namespace_id uuid NOT NULL REFERENCES namespaces,
    operation text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL CHECK (length(request_hash) = 32),
    run_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (namespace_id, operation, key)
  )`,
  "CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at)",
  // What a call asked for in place of the function's traffic: {"tag": …} or {"revision": …}.
  "ALTER TABLE task_runs ADD COLUMN target jsonb",
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_trigger_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_trigger_check
    CHECK (trigger IN ('schedule', 'manual', 'invoke', 'http', 'hook'))`,
  // Where the API hands calls to, and what it shows there.
  "ALTER TABLE workers ADD COLUMN address text, ADD COLUMN call_token text",
];

const DOWN = [
  "ALTER TABLE workers DROP COLUMN address, DROP COLUMN call_token",
  "DELETE FROM task_runs WHERE trigger IN ('http', 'hook')",
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_trigger_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_trigger_check
    CHECK (trigger IN ('schedule', 'manual', 'invoke'))`,
  "ALTER TABLE task_runs DROP COLUMN target",
  `DROP TABLE idempotency_keys, function_hooks, function_kv_usage, function_kv, secrets, function_tags`,
  "DROP INDEX functions_removed, functions_by_name",
  // Removed functions keep their rows for their runs' sake: their names must not collide.
  "UPDATE functions SET name = left(name, 26) || '-' || id WHERE removed_at IS NOT NULL",
  "ALTER TABLE functions ADD CONSTRAINT functions_namespace_id_name_key UNIQUE (namespace_id, name)",
  `ALTER TABLE functions DROP COLUMN traffic, DROP COLUMN previous_traffic, DROP COLUMN env,
    DROP COLUMN is_public, DROP COLUMN removed_at`,
];
