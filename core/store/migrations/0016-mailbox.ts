import { type Kysely, sql } from "kysely";

/** E-mails that were captured instead of sent. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw("DROP TABLE captured_emails").execute(db);
}

const UP = [
  // Runs go with the retention, so none is referred to. `bytes`: of the message.
  `CREATE TABLE captured_emails (
    id uuid PRIMARY KEY,
    namespace_id uuid NOT NULL REFERENCES namespaces,
    run_id uuid NOT NULL,
    captured_at timestamptz NOT NULL DEFAULT now(),
    bytes integer NOT NULL,
    message jsonb NOT NULL
  )`,
  "CREATE INDEX captured_emails_newest ON captured_emails (namespace_id, id DESC) INCLUDE (bytes)",
  "CREATE INDEX captured_emails_oldest ON captured_emails (captured_at)",
];
