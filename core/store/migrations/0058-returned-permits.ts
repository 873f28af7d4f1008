import { type Kysely, sql } from "kysely";

/** Permits of limits that are given back without a wait for the limit's lock (core/store/limits/permits.ts). */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  // Rows live for milliseconds: it is small whenever what has died is removed.
  `CREATE TABLE returned_permits (
    key text NOT NULL,
    count integer NOT NULL CHECK (count > 0)
  ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0)`,
  "CREATE INDEX returned_permits_key ON returned_permits (key)",
];

const DOWN = [
  `UPDATE run_limits l SET permits_held = greatest(0, l.permits_held - b.count)
   FROM (SELECT key, sum(count)::int AS count FROM returned_permits GROUP BY key) AS b WHERE b.key = l.key`,
  "DROP TABLE returned_permits",
];
