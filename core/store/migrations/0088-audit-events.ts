import { type Kysely, sql } from "kysely";

/**
 * Entries of the audit log are events: each says in which transaction it was written. Those that stand say nothing of it, and
 * are no events; the column has no value to be filled in, so that nothing is rewritten.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  "ALTER TABLE audit_log ADD COLUMN recorded_xid bigint",
  "ALTER TABLE audit_log ALTER COLUMN recorded_xid SET DEFAULT pg_current_xact_id()::text::bigint",
  "CREATE INDEX audit_log_by_record ON audit_log (namespace_id, recorded_xid, id) WHERE recorded_xid IS NOT NULL",
];

const DOWN = ["DROP INDEX audit_log_by_record", "ALTER TABLE audit_log DROP COLUMN recorded_xid"];
