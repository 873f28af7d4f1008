import type { QueryScope } from "../database.ts";

/** The first one that is told stands. */
export async function recordColdStart(
  { pool }: QueryScope,
  revisionId: string,
  coldStartMs: number,
): Promise<void> {
  await pool.query(
    "UPDATE function_revisions SET cold_start_ms = $2 WHERE id = $1 AND cold_start_ms IS NULL",
    [revisionId, coldStartMs],
  );
}
