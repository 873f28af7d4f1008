/**
 * Bulk actions: one thing done to all that a filter finds. A bulk action's states: running → succeeded (all that it found
 * was dealt with), aborted (somebody said so) or failed (it cannot go on).
 */
import type { RunState } from "./run-state.ts";

export const BULK_ACTIONS = {
  tasks: ["cancel", "pause", "resume", "run", "delete", "erase"],
  runs: ["cancel", "replay", "redrive", "discard"],
} as const;

export const BULK_RESOURCES = ["tasks", "runs"] as const satisfies (keyof typeof BULK_ACTIONS)[];
export type BulkResource = (typeof BULK_RESOURCES)[number];
export type TaskAction = (typeof BULK_ACTIONS)["tasks"][number];
export type RunAction = (typeof BULK_ACTIONS)["runs"][number];
/** Removes tasks with all that is theirs: runs, log lines, events and whatever quotes them. */
export const ERASE = "erase" satisfies TaskAction;
/** A backfill is asked for on the route of its task, and finds instants instead of things. */
export const BACKFILL = "backfill";
/** What is deleted by a bulk action that an operator asks for on the route of a namespace. */
export const NAMESPACES = "namespaces";
export type DrivenResource = BulkResource | typeof NAMESPACES;
export type BulkAction = TaskAction | RunAction | typeof BACKFILL;

export const BULK_STATES = ["running", "succeeded", "aborted", "failed"] as const;
export type BulkState = (typeof BULK_STATES)[number];

/** What could not be done, and to which task or run. */
export interface BulkFailure {
  id: string;
  code: string;
  message: string;
}

/** Of a cancel. */
export const RUN_NOT_OPEN = {
  code: "run_not_open",
  message: "The run cannot be cancelled: it has ended, or is a dead letter.",
} satisfies Omit<BulkFailure, "id">;

/** Of a bulk action that is kept, the first. */
export const MAX_KEPT_FAILURES = 10;

/** What makes runs asks for the scope `invoke` besides, as it does for a single one. */
export const makesRuns = (action: BulkAction): boolean =>
  action === "run" || action === "replay" || action === BACKFILL;

/** The runs that are meant where the filter names no state: those that the action can be done to. */
export const RUN_ACTION_STATES: Record<RunAction, readonly RunState[]> = {
  cancel: ["scheduled", "queued", "running"],
  replay: ["succeeded", "failed", "cancelled", "skipped", "expired", "dead"],
  redrive: ["dead"],
  discard: ["dead"],
};
