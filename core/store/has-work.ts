import type { QueryScope } from "./database.ts";

/**
 * Queued runs stand in two indexes: those that may be claimed, and those that wait for something. Dead letters wait for
 * somebody's word. What joins, is called back, acted on or expected of is looked at by its own job, and mostly is of a run
 * that ended, or has not begun. Without a parameter the statement is planned once per connection.
 */
const WORK = [
  "task_runs_open WHERE state = 'queued' AND room IS DISTINCT FROM 'awaited'",
  "task_runs_open WHERE room IS NOT NULL",
  ...["scheduled", "running", "deferred"].map((state) => `task_runs_open WHERE state = '${state}'`),
  "joinable_runs",
  "run_callbacks",
  "bulk_actions WHERE state = 'running'",
  "expectations WHERE look_at <= statement_timestamp()",
  // Schedulers stage it before its instant, unless they cannot.
  "tasks WHERE state = 'active' AND next_run_at <= statement_timestamp() - interval '5 seconds'",
];

const HAS_WORK = {
  name: "has-work",
  text: `SELECT ${WORK.map((rows) => `EXISTS (SELECT FROM ${rows})`).join(" OR ")} AS "isAny"`,
};

/** Whether anything is to be done now or soon: for a run that is open, or after one, or by a bulk action. */
export async function hasWork({ pool }: QueryScope): Promise<boolean> {
  const { rows } = await pool.query<{ isAny: boolean }>(HAS_WORK);
  return rows[0]!.isAny;
}
