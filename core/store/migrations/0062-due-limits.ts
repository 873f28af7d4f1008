import { type Kysely, sql } from "kysely";

/**
 * When permits of a limit can be granted to those who wait for it is an instant in an index: whoever looks finds what is due,
 * however many wait. It is null where nobody waits, or no permit is left, so that claims and ends of other runs change no
 * index by it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of UP) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const statement of DOWN) await sql.raw(statement).execute(db);
}

const UP = [
  "ALTER TABLE run_limits ADD COLUMN is_called_out boolean NOT NULL DEFAULT false",
  `ALTER TABLE run_limits ADD COLUMN due_ms float8 GENERATED ALWAYS AS (
    CASE WHEN has_waiting AND NOT is_called_out AND coalesce(permits_held < concurrency, true) THEN greatest(
      coalesce(rate_used_until_ms + (1 - rate_burst) * rate_interval_ms, 0),
      CASE WHEN paused_until = 'infinity' THEN 'infinity'::float8
        ELSE extract(epoch FROM paused_until - '1970-01-01 00:00:00+00'::timestamptz) * 1000 END
    ) END) STORED`,
  "CREATE INDEX run_limits_due ON run_limits (due_ms, key) WHERE due_ms IS NOT NULL",
  "DROP INDEX run_limits_waiting",
];

const DOWN = [
  "CREATE INDEX run_limits_waiting ON run_limits (key) WHERE has_waiting",
  "DROP INDEX run_limits_due",
  "ALTER TABLE run_limits DROP COLUMN due_ms, DROP COLUMN is_called_out",
];
