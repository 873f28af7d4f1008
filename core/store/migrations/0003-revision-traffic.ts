import { type Kysely, sql } from "kysely";

/** Traffic between revisions, tags, and calls that ask for a revision by name. */
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
    ADD COLUMN previous_traffic jsonb CHECK (jsonb_typeof(previous_traffic) = 'object')`,
  `UPDATE functions SET traffic = jsonb_build_object(active_revision_id::text, 100)
    WHERE active_revision_id IS NOT NULL`,
  `CREATE TABLE function_tags (
    function_id uuid NOT NULL REFERENCES functions,
    tag text NOT NULL CHECK (tag ~ '^[a-z][a-z0-9-]{0,62}$'),
    revision_id uuid NOT NULL REFERENCES function_revisions,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (function_id, tag)
  )`,
  // What a call asked for in place of the function's traffic: {"tag": …} or {"revision": …}.
  "ALTER TABLE task_runs ADD COLUMN target jsonb",
];

const DOWN = [
  "ALTER TABLE task_runs DROP COLUMN target",
  "DROP TABLE function_tags",
  "ALTER TABLE functions DROP COLUMN traffic, DROP COLUMN previous_traffic",
];
