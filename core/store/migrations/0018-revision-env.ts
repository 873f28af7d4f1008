import { type Kysely, sql } from "kysely";

/** A revision's own settings: the same content with others is another revision. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

/** What a unique index can hold of up to 64 KB. `convert_to` is not immutable, so backslashes are escaped for bytea. */
const ENV_HASH = String.raw`sha256(replace(env::text, '\', '\\')::bytea)`;

const UP = [
  // Null, as the release before leaves it: the revision runs with its function's (core/store/functions/revision-env.ts).
  "ALTER TABLE function_revisions ADD COLUMN env jsonb CHECK (jsonb_typeof(env) = 'object')",
  `CREATE UNIQUE INDEX function_revisions_content ON function_revisions (function_id, content_hash, (${ENV_HASH}))
    NULLS NOT DISTINCT`,
  "ALTER TABLE function_revisions DROP CONSTRAINT function_revisions_function_id_content_hash_key",
];

const DOWN = [
  // Runs, traffic and tags name all of them; the first keeps the hash by which a deploy finds it.
  `UPDATE function_revisions AS r SET content_hash = r.content_hash || ':' || r.number
    WHERE EXISTS (SELECT FROM function_revisions o
      WHERE o.function_id = r.function_id AND o.content_hash = r.content_hash AND o.number < r.number)`,
  "DROP INDEX function_revisions_content",
  `ALTER TABLE function_revisions
    ADD CONSTRAINT function_revisions_function_id_content_hash_key UNIQUE (function_id, content_hash)`,
  "ALTER TABLE function_revisions DROP COLUMN env",
];
