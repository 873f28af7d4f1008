import { type Kysely, sql } from "kysely";

/** Calendars of a namespace, and what tasks keep that exclude instants (core/store/tasks/exclusions.ts). */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `CREATE TABLE calendars (
    namespace_id uuid NOT NULL REFERENCES namespaces,
    name text NOT NULL,
    dates text[] NOT NULL,
    content_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (namespace_id, name)
  )`,
  `CREATE TABLE task_exclusions (
    task_id uuid PRIMARY KEY REFERENCES tasks ON DELETE CASCADE,
    namespace_id uuid NOT NULL,
    calendar text,
    settled_until timestamptz NOT NULL,
    FOREIGN KEY (namespace_id, calendar) REFERENCES calendars ON DELETE CASCADE
  )`,
  `CREATE INDEX task_exclusions_calendar ON task_exclusions (namespace_id, calendar, task_id)
    WHERE calendar IS NOT NULL`,
];

const DOWN = ["DROP TABLE task_exclusions, calendars"];
