import { type Kysely, sql } from "kysely";

/** How many runs have begun on a day, of namespaces that an operator limits so. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE daily_runs (
      namespace_id uuid PRIMARY KEY,
      day date NOT NULL,
      runs int NOT NULL CHECK (runs >= 0),
      last_taken int NOT NULL CHECK (last_taken >= 0)
    )`.execute(db);
  await sql`CREATE INDEX namespaces_with_daily_runs ON namespaces (id) WHERE limits ->> 'runsPerDay' IS NOT NULL`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`DROP INDEX namespaces_with_daily_runs`.execute(db);
  await sql`DROP TABLE daily_runs`.execute(db);
}
