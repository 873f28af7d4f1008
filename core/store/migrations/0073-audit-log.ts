import { type Kysely, sql } from "kysely";

/**
 * The audit log: a row for each change that somebody asked for by the API, written in the transaction that makes it. Rows are
 * added and never changed; they are deleted by the retention and with their namespace alone, which say so in their transaction.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `CREATE TABLE audit_log (
    id uuid PRIMARY KEY,
    namespace_id uuid NOT NULL REFERENCES namespaces,
    action text NOT NULL,
    resource text NOT NULL,
    status smallint NOT NULL,
    actor_kind text NOT NULL,
    actor_key_id uuid NOT NULL,
    actor_name text NOT NULL,
    address text,
    before jsonb,
    after jsonb,
    for_operators boolean NOT NULL DEFAULT false
  )`,
  "CREATE INDEX audit_log_of_namespace ON audit_log (namespace_id, id)",
  "CREATE INDEX audit_log_of_resource ON audit_log (namespace_id, resource text_pattern_ops, id)",
  `CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' AND current_setting('bellhop.removes_audit', true) = 'on' THEN
        RETURN OLD;
      END IF;
      RAISE EXCEPTION 'audit_log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
    END
  $$`,
  `CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()`,
  `CREATE TRIGGER audit_log_not_truncated BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()`,
];

const DOWN = ["DROP TABLE audit_log", "DROP FUNCTION refuse_audit_change"];
