import { type Kysely, sql } from "kysely";

/**
 * Erasures: bulk actions that remove tasks with all that is theirs (core/store/erase/). How far one is stands in its row; the
 * ids of tasks that are gone stay until what names them has been looked through. What entries of the audit log quote may be
 * taken out by them, and nothing else of an entry.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

/** @param also what is let through besides a deletion that says that it is one */
const refuseAuditChange = (
  also: string,
) => `CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' AND current_setting('bellhop.removes_audit', true) = 'on' THEN
        RETURN OLD;
      END IF;
      ${also}
      RAISE EXCEPTION 'audit_log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
    END
  $$`;

const ERASED_QUOTES = `IF TG_OP = 'UPDATE' AND current_setting('bellhop.erases_audit', true) = 'on'
        AND to_jsonb(NEW) - 'before' - 'after' = to_jsonb(OLD) - 'before' - 'after'
        AND (NEW.before IS NOT DISTINCT FROM OLD.before OR NEW.before = '{"erased": true}')
        AND (NEW.after IS NOT DISTINCT FROM OLD.after OR NEW.after = '{"erased": true}') THEN
        RETURN NEW;
      END IF;`;

const UP = [
  "ALTER TABLE bulk_actions ADD COLUMN progress jsonb, ADD COLUMN abort_requested_at timestamptz",
  `CREATE TABLE erased_tasks (
    bulk_id uuid NOT NULL,
    task_id uuid NOT NULL,
    namespace_id uuid NOT NULL REFERENCES namespaces,
    PRIMARY KEY (bulk_id, task_id)
  )`,
  "CREATE INDEX erased_tasks_of_namespace ON erased_tasks (namespace_id)",
  "CREATE INDEX expectations_by_task ON expectations (task_id)",
  refuseAuditChange(ERASED_QUOTES),
];

const DOWN = [
  refuseAuditChange(""),
  "DROP INDEX expectations_by_task",
  "DROP TABLE erased_tasks",
  "ALTER TABLE bulk_actions DROP COLUMN abort_requested_at, DROP COLUMN progress",
];
