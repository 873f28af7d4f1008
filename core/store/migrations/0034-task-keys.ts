import { type Kysely, sql } from "kysely";

/** Keys of their callers' choosing, by which tasks are known beside their ids; none of the tasks that stand has one. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE tasks ADD COLUMN key text").execute(db);
  await sql
    .raw("CREATE UNIQUE INDEX tasks_by_key ON tasks (namespace_id, key) WHERE key IS NOT NULL")
    .execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE tasks DROP COLUMN key").execute(db);
}
