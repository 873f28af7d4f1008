import { type Kysely, sql } from "kysely";

/** Bulk actions: what is done to all that a filter finds, batch by batch (core/store/bulk/). */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("DROP TABLE bulk_actions").execute(db);
}

const UP = [
  `CREATE TABLE bulk_actions (
    id uuid PRIMARY KEY,
    namespace_id uuid NOT NULL REFERENCES namespaces,
    resource text NOT NULL,
    action text NOT NULL,
    filter jsonb NOT NULL,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'succeeded', 'aborted', 'failed')),
    reached_id uuid,
    done integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    failures jsonb NOT NULL DEFAULT '[]',
    faults integer NOT NULL DEFAULT 0,
    error jsonb,
    traceparent text,
    next_batch_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CHECK ((state = 'running') = (finished_at IS NULL))
  )`,
  "CREATE INDEX bulk_actions_newest ON bulk_actions (namespace_id, id DESC)",
  "CREATE INDEX bulk_actions_running ON bulk_actions (next_batch_at) WHERE state = 'running'",
  "CREATE INDEX bulk_actions_finished ON bulk_actions (finished_at)",
];
