import { type Kysely, sql } from "kysely";
import { type DayIndex, indexDays } from "./index-days.ts";

/** Errors grouped by what they have in common, and how far the runs that failed are counted. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
  await indexDays(db, RUN_INDEXES);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `CREATE TABLE error_groups (
    namespace_id uuid NOT NULL,
    fingerprint text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    count bigint NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    sample_run_ids uuid[] NOT NULL,
    function_ids uuid[] NOT NULL,
    task_ids uuid[] NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved', 'ignored')),
    resolved_at timestamptz,
    PRIMARY KEY (namespace_id, fingerprint)
  )`,
  `CREATE TABLE error_folds (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    below_xid bigint NOT NULL,
    reached_at timestamptz NOT NULL
  )`,
  "INSERT INTO error_folds (below_xid, reached_at) VALUES (0, now())",
  "CREATE INDEX events_dead ON events (recorded_xid) WHERE type = 'run.dead'",
];

const RUN_INDEXES: DayIndex[] = [
  {
    name: "task_runs_by_failure",
    dayName: "recorded_xid_idx",
    on: "(recorded_xid) WHERE state IN ('failed', 'expired')",
  },
];

const DOWN = ["DROP INDEX task_runs_by_failure, events_dead", "DROP TABLE error_folds, error_groups"];
