import { type Kysely, sql } from "kysely";

/** Functions that were removed, webhooks, and the keys of requests that may be sent again. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  "ALTER TABLE functions ADD COLUMN removed_at timestamptz",
  // The name of a removed function is free again.
  "ALTER TABLE functions DROP CONSTRAINT functions_namespace_id_name_key",
  "CREATE UNIQUE INDEX functions_by_name ON functions (namespace_id, name) WHERE removed_at IS NULL",
  "CREATE INDEX functions_ever ON functions (namespace_id, name, removed_at)",
  "CREATE INDEX tasks_by_function ON tasks (function_id) WHERE function_id IS NOT NULL",
  `CREATE TABLE function_hooks (
    id uuid PRIMARY KEY,
    function_id uuid NOT NULL REFERENCES functions,
    name text,
    tag text,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
  )`,
  "CREATE INDEX function_hooks_by_function ON function_hooks (function_id, id)",
  `CREATE TABLE idempotency_keys (
    namespace_id uuid NOT NULL REFERENCES namespaces,
    operation text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL CHECK (length(request_hash) = 32),
    made_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (namespace_id, operation, key)
  )`,
  "CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at)",
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_trigger_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_trigger_check
    CHECK (trigger IN ('schedule', 'manual', 'invoke', 'http', 'hook'))`,
];

const DOWN = [
  // The runs stay, under the word that was there.
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_trigger_check",
  "UPDATE task_runs SET trigger = 'invoke' WHERE trigger IN ('http', 'hook')",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_trigger_check
    CHECK (trigger IN ('schedule', 'manual', 'invoke'))`,
  "DROP TABLE idempotency_keys, function_hooks",
  "DROP INDEX tasks_by_function, functions_ever, functions_by_name",
  // Removed functions keep their rows for their runs' sake: their names must not collide.
  "UPDATE functions SET name = left(name, 26) || '-' || id WHERE removed_at IS NOT NULL",
  "ALTER TABLE functions ADD CONSTRAINT functions_namespace_id_name_key UNIQUE (namespace_id, name)",
  "ALTER TABLE functions DROP COLUMN removed_at",
];
