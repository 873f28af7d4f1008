import { type Kysely, sql } from "kysely";

/** Tasks that were put off, and whose place a later one takes (core/store/tasks/debounce.ts). */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `CREATE TABLE debounced_tasks (
        namespace_id uuid NOT NULL,
        type text NOT NULL,
        key text NOT NULL,
        task_id uuid NOT NULL,
        opened_at timestamptz NOT NULL,
        PRIMARY KEY (namespace_id, type, key)
      )`,
    )
    .execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("DROP TABLE debounced_tasks").execute(db);
}
