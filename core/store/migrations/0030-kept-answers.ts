import { type Kysely, sql } from "kysely";

/** What a request under an idempotency key was answered, beside the key: a repetition is answered the same. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE idempotency_keys ADD COLUMN answer bytea, ADD COLUMN is_answer_sealed boolean`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE idempotency_keys DROP COLUMN is_answer_sealed, DROP COLUMN answer`.execute(db);
}
