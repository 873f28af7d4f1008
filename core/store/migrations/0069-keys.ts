import { type Kysely, sql } from "kysely";

/**
 * Keys are made, rotated and revoked by the API. After a rotation the secret before stays valid for a while; a key may be for
 * some functions alone; a namespace that is closed is being deleted, and no key of it opens anything.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  `ALTER TABLE api_keys
    ADD COLUMN functions text[],
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN previous_hash bytea CHECK (length(previous_hash) = 32),
    ADD COLUMN previous_until timestamptz,
    ADD COLUMN ending text`,
  "CREATE UNIQUE INDEX api_keys_previous ON api_keys (previous_hash) WHERE previous_hash IS NOT NULL",
  "CREATE INDEX api_keys_of_namespace ON api_keys (namespace_id, id)",
  "ALTER TABLE namespaces ADD COLUMN closed_at timestamptz",
];

const DOWN = [
  "ALTER TABLE namespaces DROP COLUMN closed_at",
  "DROP INDEX api_keys_of_namespace",
  `ALTER TABLE api_keys DROP COLUMN functions, DROP COLUMN last_used_at, DROP COLUMN previous_hash,
    DROP COLUMN previous_until, DROP COLUMN ending`,
];
