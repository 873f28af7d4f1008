import { type Kysely, sql } from "kysely";

/** What functions remember, and how much of it there is. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `CREATE TABLE function_kv (
    function_id uuid NOT NULL REFERENCES functions,
    key text COLLATE "C" NOT NULL,
    value text NOT NULL,
    bytes integer NOT NULL,
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (function_id, key)
  )`,
  // Of one sequence: a key that was deleted and set again never has an old version.
  "CREATE SEQUENCE function_kv_version OWNED BY function_kv.version",
  // Kept exact by whoever writes, under its row's lock.
  `CREATE TABLE function_kv_usage (
    function_id uuid PRIMARY KEY REFERENCES functions,
    keys integer NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0
  )`,
];

const DOWN = ["DROP TABLE function_kv_usage, function_kv"];
