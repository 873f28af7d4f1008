import { type Kysely, sql } from "kysely";

/** What functions find in their environment. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  "ALTER TABLE functions ADD COLUMN env jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(env) = 'object')",
  // `sealed` is bound to the other three: a row that is copied elsewhere does not open. No function: the namespace's.
  `CREATE TABLE secrets (
    namespace_id uuid NOT NULL REFERENCES namespaces,
    function_id uuid REFERENCES functions,
    name text NOT NULL CHECK (name ~ '^[A-Za-z_][A-Za-z0-9_]{0,127}$'),
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (namespace_id, function_id, name)
  )`,
  "CREATE INDEX secrets_by_function ON secrets (function_id) WHERE function_id IS NOT NULL",
];

const DOWN = ["DROP TABLE secrets", "ALTER TABLE functions DROP COLUMN env"];
