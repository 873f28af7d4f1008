import { type Kysely, sql } from "kysely";

/** Runs that wait for further calls to join them (core/store/joins/joinable-runs.ts). */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("DROP TABLE joinable_runs").execute(db);
}

const UP = [
  // Rows change with each call and live for seconds: it is small whenever what has died is removed.
  `CREATE TABLE joinable_runs (
    namespace_id uuid NOT NULL,
    scope text NOT NULL,
    key text NOT NULL,
    run_id uuid NOT NULL,
    opened_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    count integer NOT NULL,
    bytes integer NOT NULL,
    PRIMARY KEY (namespace_id, scope, key)
  ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0)`,
  "CREATE INDEX joinable_runs_due ON joinable_runs (due_at)",
];
