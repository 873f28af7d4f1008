/** Occurrences that are recorded although they do not run. */
import type { SkippedInstants } from "../../domain/skipped.ts";
import type { QueryScope } from "../database.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { callBack } from "./end.ts";
import { INSERT_SKIPPED } from "./insert.ts";

const SKIP = `
  WITH skipped AS (${INSERT_SKIPPED} RETURNING id, namespace_id, task_id, error, on_end),
  ${callBack("skipped", "'skipped'", "g.error")} SELECT`;

/** [*] → skipped: of each task one row for all of the instants. */
export async function recordSkipped(
  { pool }: QueryScope,
  tasks: readonly { taskId: string; skipped: SkippedInstants }[],
): Promise<void> {
  const rows = tasks.map(({ taskId, skipped }) => ({
    ...{ run_id: newId(), task_id: taskId, first_at: skipped.firstAt, skipped },
  }));
  await pool.query(SKIP, [toJsonText(rows)]);
}
