/** Occurrences that are recorded although they do not run. */
import type { SkippedInstants } from "../../domain/skipped.ts";
import type { QueryScope } from "../database.ts";
import { recordExpectations } from "../expectations/record.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { callBack } from "./end.ts";
import { INSERT_SKIPPED } from "./insert.ts";

const SKIP = `
  WITH skipped AS (${INSERT_SKIPPED} RETURNING id, namespace_id, task_id, error, on_end, finished_at),
  ${callBack("skipped", "'skipped'", "g.error")} SELECT id, task_id AS "taskId", finished_at AS at FROM skipped`;

export interface SkippedOccurrences {
  taskId: string;
  skipped: SkippedInstants;
  /** By when the first of them had to succeed; left out: nobody expected it. */
  dueAt?: Date | undefined;
}

export interface SkippedRun {
  id: string;
  taskId: string;
  /** When it was written, which is its `finished_at` but for what is less than a millisecond. */
  at: Date;
}

/** [*] → skipped: of each task one row for all of the instants. */
export async function recordSkipped(
  scope: QueryScope,
  tasks: readonly SkippedOccurrences[],
): Promise<SkippedRun[]> {
  const made = tasks.map((task) => ({ ...task, runId: newId() }));
  const rows = made.map(({ runId, taskId, skipped }) => ({
    ...{ run_id: runId, task_id: taskId, first_at: skipped.firstAt, skipped },
  }));
  const { rows: runs } = await scope.pool.query<SkippedRun>(SKIP, [toJsonText(rows)]);
  const expected = made.flatMap(({ taskId, runId, skipped: { firstAt }, dueAt }) =>
    dueAt ? [{ taskId, runId, scheduledFor: new Date(firstAt), dueAt, nextAt: null }] : [],
  );
  await recordExpectations(scope, expected);
  return runs;
}

/** The bounds keep it to the days in which they were written. */
const GROW = `
  UPDATE task_runs r SET skipped = r.skipped ||
    jsonb_build_object('count', (r.skipped ->> 'count')::int + s.count, 'lastAt', s."lastAt")
  FROM json_to_recordset($1::json) AS s(id uuid, count int, "lastAt" text)
  WHERE r.id = s.id AND r.id = ANY($2::uuid[]) AND r.finished_at >= $3
    AND r.finished_at < $4::timestamptz + interval '1 millisecond' AND r.state = 'skipped'
  RETURNING r.id`;

/** Answers those that grew: with the retention the others are gone. */
export async function growSkipped(
  { pool }: QueryScope,
  grown: readonly { run: Omit<SkippedRun, "taskId">; skipped: SkippedInstants }[],
): Promise<ReadonlySet<string>> {
  if (grown.length === 0) return new Set();
  const rows = grown.map(({ run: { id }, skipped: { count, lastAt } }) => ({ id, count, lastAt }));
  const writtenMs = grown.map(({ run: { at } }) => at.getTime());
  const { rows: found } = await pool.query<{ id: string }>(GROW, [
    toJsonText(rows),
    rows.map(({ id }) => id),
    new Date(Math.min(...writtenMs)),
    new Date(Math.max(...writtenMs)),
  ]);
  return new Set(found.map(({ id }) => id));
}
