import type { QueryScope } from "../database.ts";

const COUNT_DUE = {
  name: "count-due-tasks",
  text: `SELECT count(*)::int AS count
    FROM (SELECT FROM tasks WHERE state = 'active' AND next_run_at <= $1 LIMIT $2) AS due`,
};

/** How many active tasks are due until then; at most `limit`, for more are not looked at. */
export async function countDueTasks({ pool }: QueryScope, until: Date, limit: number): Promise<number> {
  const { rows } = await pool.query<{ count: number }>({ ...COUNT_DUE, values: [until, limit] });
  return rows[0]!.count;
}
