import type { Transaction } from "../transaction.ts";

/** What ends together holds its rows, and what waits for them, until all of it is committed. */
export const MAX_RUNS = 2_000;

/** The tasks from the first on that have not more open runs in all; at least the first. */
export async function takeWithinRuns({ pool }: Transaction, taskIds: string[]): Promise<string[]> {
  const { rows } = await pool.query<{ count: number }>({
    name: "count-runs-of-tasks",
    text: `
      SELECT o.count FROM unnest($1::uuid[]) WITH ORDINALITY AS t(id, nth), LATERAL (
        SELECT count(*)::int AS count FROM (
          SELECT FROM task_runs_open WHERE task_id = t.id LIMIT $2) r) o
      ORDER BY t.nth`,
    values: [taskIds, MAX_RUNS + 1],
  });
  let runs = 0;
  for (const [index, { count }] of rows.entries()) {
    runs += count;
    if (runs > MAX_RUNS) return taskIds.slice(0, Math.max(1, index));
  }
  return taskIds;
}
