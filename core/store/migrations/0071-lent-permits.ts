import { type Kysely, sql } from "kysely";

/** Permits that a worker has taken in advance of runs (core/store/limits/lent-permits.ts). */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `CREATE TABLE lent_permits (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    key text NOT NULL,
    worker_id uuid NOT NULL,
    concurrency integer NOT NULL,
    count integer NOT NULL CHECK (count > 0),
    lent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (key, worker_id)
  )`,
];

// Those stay counted until the next recount: rather a few too many than too few.
const DOWN = ["DROP TABLE lent_permits"];
