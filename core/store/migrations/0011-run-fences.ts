import { type Kysely, sql } from "kysely";

/** Who may end a run: fences of runs that came without the queue, and how long each worker's lease is. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  // A direct run has no open row that its end could take: whoever inserts its id here may write it.
  `CREATE TABLE run_fences (
    run_id uuid PRIMARY KEY,
    writer uuid
  ) WITH (autovacuum_vacuum_insert_scale_factor = 0.5)`,
  "ALTER TABLE workers ADD COLUMN lease_ms integer",
];

const DOWN = ["ALTER TABLE workers DROP COLUMN lease_ms", "DROP TABLE run_fences"];
