import { type Kysely, sql } from "kysely";

/**
 * Retries that come due, and what applications have enqueued, are taken from one namespace after the other. `priority >= 0`
 * says nothing of a row: it keeps the index from whoever asks for no namespace (0060).
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [
    `CREATE INDEX task_runs_open_retries ON task_runs_open (namespace_id, available_at)
      WHERE state = 'scheduled' AND priority >= 0`,
    "CREATE INDEX enqueued_tasks_in_turn ON enqueued_tasks (namespace_id, seq) WHERE refused_at IS NULL",
  ])
    await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("DROP INDEX enqueued_tasks_in_turn, task_runs_open_retries").execute(db);
}
