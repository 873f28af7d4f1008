import { type Kysely, sql } from "kysely";

/**
 * What a hook asks of its callers: a signature, and no more than so many calls; null: nothing. One may be a task's in place
 * of a function's, and goes with it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE function_hooks ADD COLUMN verify jsonb, ADD COLUMN rate jsonb,
    ADD COLUMN task_id uuid REFERENCES tasks ON DELETE CASCADE, ALTER COLUMN function_id DROP NOT NULL,
    ADD CONSTRAINT function_hooks_target CHECK (num_nonnulls(function_id, task_id) = 1)`.execute(db);
  await sql`CREATE INDEX function_hooks_by_task ON function_hooks (task_id, id) WHERE task_id IS NOT NULL`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`DELETE FROM function_hooks WHERE task_id IS NOT NULL`.execute(db);
  await sql`ALTER TABLE function_hooks DROP COLUMN verify, DROP COLUMN rate, DROP COLUMN task_id,
    ALTER COLUMN function_id SET NOT NULL`.execute(db);
}
