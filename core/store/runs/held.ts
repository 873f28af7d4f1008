/**
 * Occurrences that may not start yet because of other runs of their task. A held run's states: `instant` (staged while
 * an earlier run was open: nothing is decided before its instant) → started, skipped, cancelled, or `overlap` (it
 * waits for its turn) → started. No claim considers it until it is started (claimable.ts). Code that decides, or
 * stages, holds the task's lock: no run joins the line meanwhile, though one may end. Order of locks: tasks, then
 * runs.
 */

/** Of a run by this name. */
export const isHeld = (run: string) => `${run}.waiting_for IN ('instant', 'overlap')`;

/** Runs of one line follow each other: the occurrences of a task. */
export const LINE_KEY = "'task:' || t.id";

/**
 * A run of the line that was let go and has not ended. A dead letter has, as far as the next one is concerned; one that was
 * staged ahead of its instant stands in nobody's way until then.
 */
export const isBusy = (run: string) =>
  `${run}.trigger = 'schedule' AND (${run}.state IN ('running', 'deferred', 'scheduled')
    OR (${run}.state = 'queued' AND ${isHeld(run)} IS NOT TRUE
      AND (${run}.claim_no > 0 OR ${run}.available_at <= clock_timestamp())))`;

/** Held runs that are not any more may be claimed. */
export const LET_GO = "waiting_for = NULL, waiting_key = NULL, room = NULL, queued_at = clock_timestamp()";
