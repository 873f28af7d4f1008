import { type Kysely, sql } from "kysely";

/** What went on, minute by minute: of each namespace, and of the workers. How far ends of runs are counted is a row of its own. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`DROP TABLE worker_minutes, activity_folds, activity_minutes`.execute(db);
}

const UP = [
  `CREATE TABLE activity_minutes (
    namespace_id uuid NOT NULL,
    minute timestamptz NOT NULL,
    succeeded integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    other integer NOT NULL DEFAULT 0,
    started integer NOT NULL DEFAULT 0,
    late_ms bigint NOT NULL DEFAULT 0,
    latest_ms bigint NOT NULL DEFAULT 0,
    waiting integer NOT NULL DEFAULT 0,
    running integer NOT NULL DEFAULT 0,
    PRIMARY KEY (namespace_id, minute)
  )`,
  "CREATE INDEX activity_minutes_by_minute ON activity_minutes (minute)",
  `CREATE TABLE activity_folds (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    below_xid bigint NOT NULL,
    reached_at timestamptz NOT NULL
  )`,
  // What ended before is not counted: that would look through all there is.
  "INSERT INTO activity_folds (below_xid, reached_at) VALUES (pg_snapshot_xmin(pg_current_snapshot())::text::bigint, now())",
  `CREATE TABLE worker_minutes (
    minute timestamptz PRIMARY KEY,
    workers integer NOT NULL,
    slots integer NOT NULL,
    busy integer NOT NULL
  )`,
];
