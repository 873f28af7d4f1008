import { type Kysely, sql } from "kysely";
import { type DayIndex, indexDays } from "./index-days.ts";

/**
 * Events: of runs they are read from the runs' own rows, which say in which transaction each was queued, first began, and
 * ended; null in rows that stood before. What no row says any more afterwards, and what becomes of tasks, has rows in
 * `events`. The columns have no value to be filled in, so that nothing is rewritten; later rows get theirs by default.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
  await indexDays(db, RUN_INDEXES);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const CURRENT_XID = "pg_current_xact_id()::text::bigint";

const UP = [
  `ALTER TABLE task_runs ADD COLUMN queued_xid bigint, ADD COLUMN started_xid bigint, ADD COLUMN recorded_xid bigint`,
  `ALTER TABLE task_runs ALTER COLUMN queued_xid SET DEFAULT ${CURRENT_XID},
    ALTER COLUMN recorded_xid SET DEFAULT ${CURRENT_XID}`,
  `CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_xid bigint NOT NULL DEFAULT ${CURRENT_XID},
    namespace_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    type text NOT NULL,
    task_id uuid,
    run_id uuid,
    function_id uuid,
    claim_no integer,
    stack text,
    data jsonb NOT NULL
  )`,
  "CREATE INDEX events_by_namespace ON events (namespace_id, recorded_xid, id)",
  "CREATE INDEX events_by_run ON events (run_id) WHERE run_id IS NOT NULL",
];

/** Of runs that took long, counted in transactions: few, or all of them while much waits. */
const LONG = "recorded_xid - queued_xid >= 1024";

const RUN_INDEXES: DayIndex[] = [
  {
    name: "task_runs_by_record",
    dayName: "namespace_id_recorded_xid_idx",
    on: "(namespace_id, recorded_xid)",
  },
  {
    name: "task_runs_long_queued",
    dayName: "namespace_id_queued_xid_idx",
    on: `(namespace_id, queued_xid) WHERE ${LONG}`,
  },
  {
    name: "task_runs_long_started",
    dayName: "namespace_id_started_xid_idx",
    on: `(namespace_id, started_xid) WHERE ${LONG}`,
  },
];

const DOWN = [
  "DROP INDEX task_runs_long_started, task_runs_long_queued, task_runs_by_record",
  "DROP TABLE events",
  "ALTER TABLE task_runs DROP COLUMN recorded_xid, DROP COLUMN started_xid, DROP COLUMN queued_xid",
];
