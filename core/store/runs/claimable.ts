/**
 * Which runs may be claimed, when, and in what order: defined once for every statement that claims, reads or counts.
 */
import { unindexed } from "../unindexed.ts";

// `room` is how the release before reads and writes `waiting_for`: both are written, and the index knows that one alone.
const claimable = (state: string) =>
  `${state} = 'queued' AND waiting_for IS NULL AND room IS DISTINCT FROM 'awaited'`;

/**
 * A run that may be claimed at its instant. Two indexes hold these and no others: `task_runs_open_queued`, by age, and
 * `task_runs_open_shared`, by namespace and there as `BEST_FIRST` has them.
 */
export const CLAIMABLE = claimable("state");

/** The same for who asks for rows of one namespace: by `task_runs_open_shared`, which nobody else may use (0060). */
export const CLAIMABLE_BY_NAMESPACE = `${CLAIMABLE} AND priority >= 0`;

/** The same of rows that are named by their ids. */
export const CLAIMABLE_BY_ID = claimable(unindexed("state"));

/**
 * It may be claimed now, or might have been `sinceMs` (SQL, an integer) ago. statement_timestamp, not clock_timestamp:
 * it is stable, so that it bounds the index, and never later than the clock.
 */
export const isDue = (sinceMs?: string) =>
  `available_at <= statement_timestamp()${sinceMs ? ` - ${sinceMs} * interval '1 millisecond'` : ""}`;

/** The order in which a namespace's runs are claimed where not all can be had: the highest priority, then the oldest. */
export const BEST_FIRST = "priority DESC, available_at";

/** Over all namespaces: for claims of all that is due, and for looks at what has waited longest. */
export const OLDEST_FIRST = "available_at";
