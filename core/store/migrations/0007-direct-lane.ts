import { type Kysely, sql } from "kysely";

/** Workers say where calls reach them; functions whether their URL needs a key. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  // `call_token` is made anew at each start: whoever reads this table may call the worker.
  "ALTER TABLE workers ADD COLUMN address text, ADD COLUMN call_token text",
  // Whether its URL needs no key.
  "ALTER TABLE functions ADD COLUMN is_public boolean NOT NULL DEFAULT false",
];

const DOWN = [
  "ALTER TABLE functions DROP COLUMN is_public",
  "ALTER TABLE workers DROP COLUMN address, DROP COLUMN call_token",
];
