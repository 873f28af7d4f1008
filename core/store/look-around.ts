import { SERVER_WORD, type ServerWord } from "./contact.ts";
import type { QueryScope } from "./database.ts";
import { nextInstant } from "./tasks/next-instant.ts";
import { unindexed } from "./unindexed.ts";

/** How long before its instant a task is work: a scheduler that sleeps is to wake before it is staged, whoever rang or did not. */
export const LOOK_AHEAD_MS = 6_000;

/** Not by the index of active tasks by namespace, all of which would be walked where the plan is of a time without any. */
const IS_ACTIVE = `${unindexed("state")} = 'active'`;

/**
 * Queued runs stand in two indexes: those that may be claimed, and those that wait for something. Dead letters wait for
 * somebody's word. What joins, is called back, acted on or expected of is looked at by its own job, and mostly is of a run
 * that ended, or has not begun.
 */
const WORK = [
  "task_runs_open WHERE state = 'queued' AND room IS DISTINCT FROM 'awaited'",
  "task_runs_open WHERE room IS NOT NULL",
  ...["scheduled", "running", "deferred"].map((state) => `task_runs_open WHERE state = '${state}'`),
  "joinable_runs",
  "run_callbacks",
  "bulk_actions WHERE state = 'running'",
  "queues WHERE paused_until < 'infinity' AND paused_until <= statement_timestamp()",
  "expectations WHERE look_at <= statement_timestamp()",
  "task_exclusions WHERE look_at <= statement_timestamp()",
  `tasks WHERE seek_from IS NOT NULL AND ${IS_ACTIVE} AND seek_tried_at IS NULL`,
  `tasks WHERE seek_from IS NOT NULL AND ${IS_ACTIVE} AND seek_tried_at <= statement_timestamp() - interval '1 minute'`,
  `(${nextInstant(`statement_timestamp() + interval '${LOOK_AHEAD_MS} milliseconds'`)}) AS next (instant) WHERE instant IS NOT NULL`,
];

/** What goes on, with the database's word of when. */
export interface Surroundings extends ServerWord {
  /** Anything is to be done now or soon: for a run that is open, or after one, or by a bulk action. */
  hasWork: boolean;
  /** Workers tell of taken slots: also of calls that go to them directly, which are over when they are written. */
  hasCalls: boolean;
  /** A namespace has a share of the workers' slots. */
  hasShares: boolean;
  /** What an application has enqueued waits for an API. */
  hasEnqueued: boolean;
}

const anyOf = (all: string[]) => all.map((rows) => `EXISTS (SELECT FROM ${rows})`).join(" OR ");

/** Without a parameter the statement is planned once per connection. */
const LOOK_AROUND = {
  name: "look-around",
  text: `SELECT word.*, ${anyOf(WORK)} AS "hasWork",
      ${anyOf(["workers WHERE busy > 0 AND lease_until > statement_timestamp()"])} AS "hasCalls",
      ${anyOf(["namespaces WHERE limits ->> 'slotsShare' IS NOT NULL AND closed_at IS NULL"])} AS "hasShares",
      ${anyOf(["enqueued_tasks WHERE refused_at IS NULL"])} AS "hasEnqueued"
    FROM (${SERVER_WORD}) AS word`,
};

export async function lookAround({ pool }: QueryScope): Promise<Surroundings> {
  const { rows } = await pool.query<Surroundings>(LOOK_AROUND);
  return rows[0]!;
}
