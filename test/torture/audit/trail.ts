/**
 * The audit trail: what the database itself writes down of every change of runs, tasks and workers, in a schema of the
 * harness's own. Its rows are ordered by their ids: a number is drawn while the changed row is locked.
 */
import type pg from "pg";
import { NAMED_KEYS } from "../../../core/store/limits/permits.ts";

const TRAIL = [
  "CREATE SCHEMA torture",
  `CREATE TABLE torture.run_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    began_at timestamptz NOT NULL DEFAULT transaction_timestamp(),
    xid text NOT NULL DEFAULT pg_current_xact_id()::text,
    op text NOT NULL,
    run_id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    task_id uuid,
    trigger text NOT NULL,
    state text NOT NULL,
    claim_no integer NOT NULL,
    worker_id uuid,
    attempt integer NOT NULL,
    scheduled_for timestamptz NOT NULL,
    available_at timestamptz NOT NULL,
    limit_keys text[],
    error_code text
  )`,
  `CREATE FUNCTION torture.record_run() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      r record;
    BEGIN
      IF TG_OP = 'DELETE' THEN r := OLD; ELSE r := NEW; END IF;
      INSERT INTO torture.run_changes (op, run_id, namespace_id, task_id, trigger, state, claim_no, worker_id, attempt,
        scheduled_for, available_at, limit_keys, error_code)
      VALUES (left(TG_OP, 1), r.id, r.namespace_id, r.task_id, r.trigger, r.state, r.claim_no, r.worker_id, r.attempt,
        r.scheduled_for, r.available_at, ${NAMED_KEYS}, r.attempts -> -1 -> 'error' ->> 'code');
      RETURN NULL;
    END
  $$`,
  `CREATE TRIGGER torture_run AFTER INSERT OR UPDATE OR DELETE ON task_runs
    FOR EACH ROW EXECUTE FUNCTION torture.record_run()`,
  `CREATE TABLE torture.task_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    began_at timestamptz NOT NULL DEFAULT transaction_timestamp(),
    xid text NOT NULL DEFAULT pg_current_xact_id()::text,
    op text NOT NULL,
    task_id uuid NOT NULL,
    name text,
    type text NOT NULL,
    state text NOT NULL,
    schedule jsonb NOT NULL,
    anchor_at timestamptz NOT NULL,
    next_run_at timestamptz,
    created_at timestamptz NOT NULL
  )`,
  `CREATE FUNCTION torture.record_task() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      t record;
    BEGIN
      IF TG_OP = 'DELETE' THEN t := OLD; ELSE t := NEW; END IF;
      INSERT INTO torture.task_changes (op, task_id, name, type, state, schedule, anchor_at, next_run_at,
        created_at)
      VALUES (left(TG_OP, 1), t.id, t.name, t.type, t.state, t.schedule, t.anchor_at, t.next_run_at, t.created_at);
      RETURN NULL;
    END
  $$`,
  `CREATE TRIGGER torture_task AFTER INSERT OR UPDATE OR DELETE ON tasks
    FOR EACH ROW EXECUTE FUNCTION torture.record_task()`,
  `CREATE TABLE torture.leases (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    op text NOT NULL,
    worker_id uuid NOT NULL,
    lease_until timestamptz NOT NULL
  )`,
  `CREATE FUNCTION torture.record_lease() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      w record;
    BEGIN
      IF TG_OP = 'DELETE' THEN w := OLD; ELSE w := NEW; END IF;
      INSERT INTO torture.leases (op, worker_id, lease_until) VALUES (left(TG_OP, 1), w.id, w.lease_until);
      RETURN NULL;
    END
  $$`,
  `CREATE TRIGGER torture_lease AFTER INSERT OR UPDATE OR DELETE ON workers
    FOR EACH ROW EXECUTE FUNCTION torture.record_lease()`,
];

/** Once, on a migrated database that has no runs yet. */
export async function installAuditTrail(client: pg.Client): Promise<void> {
  await client.query("BEGIN");
  for (const statement of TRAIL) await client.query(statement);
  await client.query("COMMIT");
}
