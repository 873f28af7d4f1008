import type { QueryScope } from "../database.ts";

const OPEN = [
  // Two indexes hold what is queued: those that may be claimed, and those that wait for something.
  "state = 'queued' AND room IS DISTINCT FROM 'awaited'",
  "room IS NOT NULL",
  ...["scheduled", "running", "deferred"].map((state) => `state = '${state}'`),
];

const HAS_OPEN = {
  name: "has-open-runs",
  text: `SELECT ${OPEN.map((is) => `EXISTS (SELECT FROM task_runs_open WHERE ${is})`).join(" OR ")} AS "isAny"`,
};

/** Whether any run is yet to begin, goes on, or is to be tried again; dead letters wait for somebody's word. */
export async function hasOpenRuns({ pool }: QueryScope): Promise<boolean> {
  const { rows } = await pool.query<{ isAny: boolean }>(HAS_OPEN);
  return rows[0]!.isAny;
}
