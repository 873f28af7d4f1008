/** Which runs may be claimed, when, and in what order: said here for every statement that claims, looks or counts. */
import { unindexed } from "../unindexed.ts";

// `room` is how the release before reads and writes `waiting_for`: both are written, and the index knows that one alone.
const claimable = (state: string) =>
  `${state} = 'queued' AND waiting_for IS NULL AND room IS DISTINCT FROM 'awaited'`;

/** A run that may be claimed at its instant: found by the index `task_runs_open_queued`, which holds no other. */
export const CLAIMABLE = claimable("state");

/** The same of rows that are named by their ids. */
export const CLAIMABLE_BY_ID = claimable(unindexed("state"));

/**
 * It may be claimed now, or might have been `sinceMs` (SQL, an integer) ago. statement_timestamp, not clock_timestamp:
 * it is stable, so that it bounds the index, and never later than the clock.
 */
export const isDue = (sinceMs?: string) =>
  `available_at <= statement_timestamp()${sinceMs ? ` - ${sinceMs} * interval '1 millisecond'` : ""}`;

/** Who comes first where not all can be had, as the index `task_runs_open_queued` has them: ascending, each of them. */
const ORDER_COLUMNS = ["available_at"];

/** For ORDER BY, and as a list of columns. */
export const CLAIM_ORDER = ORDER_COLUMNS.join(", ");

/** The same of rows by this name; those that came together go by their ids. */
export const inTurn = (row: string) =>
  [...ORDER_COLUMNS, "id"].map((column) => `${row}.${column}`).join(", ");
