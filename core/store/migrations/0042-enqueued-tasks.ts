import { type Kysely, sql } from "kysely";

/** Tasks that applications give in transactions of their own, until an API has made them (core/store/enqueue/). */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `CREATE TABLE enqueued_tasks (
    task_id uuid NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace_id uuid NOT NULL REFERENCES namespaces,
    action text NOT NULL CHECK (action IN ('enqueue', 'cancel')),
    task json,
    enqueued_by text NOT NULL,
    enqueued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    refused_at timestamptz,
    problem jsonb,
    CHECK ((action = 'enqueue') = (task IS NOT NULL)),
    CHECK ((refused_at IS NULL) = (problem IS NULL))
  )`,
  "CREATE INDEX enqueued_tasks_waiting ON enqueued_tasks (seq) WHERE refused_at IS NULL",
  "CREATE INDEX enqueued_tasks_by_task ON enqueued_tasks (task_id)",
  "CREATE INDEX enqueued_tasks_refused ON enqueued_tasks (namespace_id, task_id DESC) WHERE refused_at IS NOT NULL",
  "CREATE INDEX enqueued_tasks_refused_at ON enqueued_tasks (refused_at) WHERE refused_at IS NOT NULL",
  `CREATE TABLE enqueue_roles (
    role text NOT NULL,
    namespace_id uuid NOT NULL REFERENCES namespaces,
    PRIMARY KEY (role, namespace_id)
  )`,
  `CREATE TABLE enqueue_contract (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    release text NOT NULL,
    hash text NOT NULL,
    task_schema jsonb NOT NULL
  )`,
];

const DOWN = [
  "DROP FUNCTION IF EXISTS bellhop.enqueue(json, text), bellhop.cancel(text, text)",
  "DROP FUNCTION IF EXISTS bellhop.find_fault(jsonb, jsonb, text), bellhop.find_namespace(text)",
  "DROP TABLE enqueue_contract, enqueue_roles, enqueued_tasks",
];
