import { type Kysely, sql } from "kysely";

/**
 * Claims under a backlog go from namespace to namespace, and in each by priority, then by age. `priority >= 0` says
 * nothing of a row: it keeps the index from whoever asks for no namespace, and would walk all of it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`CREATE INDEX task_runs_open_shared ON task_runs_open (namespace_id, priority DESC, available_at)
      WHERE state = 'queued' AND waiting_for IS NULL AND room IS DISTINCT FROM 'awaited'
        AND priority >= 0`)
    .execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("DROP INDEX task_runs_open_shared").execute(db);
}
