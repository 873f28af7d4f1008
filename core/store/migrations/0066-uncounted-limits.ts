import { type Kysely, sql } from "kysely";

/** A limit that is new counts as full until it was counted: its row says so, and no other count opens it before. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE run_limits ADD COLUMN uncounted_until timestamptz`.execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE run_limits DROP COLUMN uncounted_until`.execute(db);
}
