/** Occurrences that are recorded although they do not run. */
import type { SkippedInstants } from "../../domain/skipped.ts";
import type { QueryScope } from "../database.ts";
import { recordExpectations } from "../expectations/record.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { callBack } from "./end.ts";
import { INSERT_SKIPPED } from "./insert.ts";

const SKIP = `
  WITH skipped AS (${INSERT_SKIPPED} RETURNING id, namespace_id, task_id, error, on_end),
  ${callBack("skipped", "'skipped'", "g.error")} SELECT`;

export interface SkippedOccurrences {
  taskId: string;
  skipped: SkippedInstants;
  /** By when the first of them had to succeed; left out: nobody expected it. */
  dueAt?: Date | undefined;
}

/** [*] → skipped: of each task one row for all of the instants. */
export async function recordSkipped(scope: QueryScope, tasks: readonly SkippedOccurrences[]): Promise<void> {
  const made = tasks.map((task) => ({ ...task, runId: newId() }));
  const rows = made.map(({ runId, taskId, skipped }) => ({
    ...{ run_id: runId, task_id: taskId, first_at: skipped.firstAt, skipped },
  }));
  await scope.pool.query(SKIP, [toJsonText(rows)]);
  const expected = made.flatMap(({ taskId, runId, skipped: { firstAt }, dueAt }) =>
    dueAt ? [{ taskId, runId, scheduledFor: new Date(firstAt), dueAt, nextAt: null }] : [],
  );
  await recordExpectations(scope, expected);
}
