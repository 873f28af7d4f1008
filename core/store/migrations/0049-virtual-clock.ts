import { type Kysely, sql } from "kysely";

/** Where the clock for tests stands (core/schedule-time.ts); no row: schedules see the true time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      "CREATE TABLE virtual_clock (is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one), stands_at timestamptz NOT NULL)",
    )
    .execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("DROP TABLE virtual_clock").execute(db);
}
