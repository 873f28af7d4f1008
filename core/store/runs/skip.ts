/** Occurrences that are recorded although they do not run. */
import type { SkippedInstants } from "../../domain/skipped.ts";
import type { QueryScope } from "../database.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { INSERT_SKIPPED } from "./insert.ts";

/** [*] → skipped: one row for all of the instants. */
export async function recordSkipped(
  { pool }: QueryScope,
  taskId: string,
  skipped: SkippedInstants,
): Promise<void> {
  await pool.query(INSERT_SKIPPED, [newId(), taskId, skipped.firstAt, toJsonText(skipped)]);
}
