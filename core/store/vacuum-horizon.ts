/**
 * What keeps dead rows from being removed. Vacuum removes a row version only once no snapshot can see it: the oldest
 * snapshot is the horizon, and while something holds it back, claims walk past the dead rows of open runs.
 * Source of the rules: PostgreSQL's `ComputeXidHorizons` (src/backend/storage/ipc/procarray.c).
 */

export const HORIZON_HOLDERS = ["session", "prepared_transaction", "replication_slot", "standby"] as const;
export type HorizonHolder = (typeof HORIZON_HOLDERS)[number];

/** How many transactions began since the oldest one that each kind of holder keeps in sight; 0 where there is none. */
export type HorizonAges = Record<HorizonHolder, number>;

/**
 * A session holds back the rows of its own database only, and none while it vacuums; a standby holds back those of all
 * databases, and shows up as its slot if it has one. Logical slots hold `catalog_xmin` alone, which keeps no row of a
 * user's table.
 */
const OLDEST_XID: Record<HorizonHolder, string> = {
  session: `SELECT max(greatest(age(backend_xid), age(backend_xmin))) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND backend_type NOT IN ('walsender', 'autovacuum worker')
      AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)`,
  prepared_transaction:
    "SELECT max(age(transaction)) FROM pg_prepared_xacts WHERE database = current_database()",
  replication_slot: "SELECT max(age(xmin)) FROM pg_replication_slots",
  standby: "SELECT max(age(backend_xmin)) FROM pg_stat_replication",
};

/** A standby also reports what transactions of its primary hold: it is to blame only for what lies further back. */
const ifFurtherBack = (holder: HorizonHolder) =>
  `CASE WHEN ${holder} > greatest(session, prepared_transaction) THEN ${holder} ELSE 0 END`;

/** An SQL expression that gives `HorizonAges` as JSON. */
export const HORIZON_AGES = `(SELECT json_build_object(
    'session', session, 'prepared_transaction', prepared_transaction,
    'replication_slot', ${ifFurtherBack("replication_slot")}, 'standby', ${ifFurtherBack("standby")})
  FROM (SELECT ${HORIZON_HOLDERS.map((holder) => `coalesce((${OLDEST_XID[holder]}), 0) AS ${holder}`).join(", ")}) AS ages)`;

/** An SQL expression: dead row versions among the open runs, as PostgreSQL estimates them. */
export const DEAD_OPEN_ROWS = "pg_stat_get_dead_tuples('task_runs_open'::regclass)::float8";
