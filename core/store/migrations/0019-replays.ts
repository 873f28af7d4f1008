import { type Kysely, sql } from "kysely";

/** Replays: the run that a run replays, and the input of a call that did not succeed where its row shows another. */
export async function up(db: Kysely<unknown>): Promise<void> {
  // Runs go with the retention, so none is referred to.
  await sql
    .raw("ALTER TABLE task_runs ADD COLUMN replay_of uuid, ADD COLUMN original_input jsonb")
    .execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("ALTER TABLE task_runs DROP COLUMN original_input, DROP COLUMN replay_of").execute(db);
}
