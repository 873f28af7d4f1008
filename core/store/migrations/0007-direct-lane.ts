import { type Kysely, sql } from "kysely";

/** Workers say where calls reach them; runs say that they were called over HTTP or by a webhook. */
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
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_trigger_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_trigger_check
    CHECK (trigger IN ('schedule', 'manual', 'invoke', 'http', 'hook'))`,
];

const DOWN = [
  "ALTER TABLE task_runs DROP CONSTRAINT task_runs_trigger_check",
  `ALTER TABLE task_runs ADD CONSTRAINT task_runs_trigger_check
    CHECK (trigger IN ('schedule', 'manual', 'invoke')) NOT VALID`,
  "ALTER TABLE functions DROP COLUMN is_public",
  "ALTER TABLE workers DROP COLUMN address, DROP COLUMN call_token",
];
