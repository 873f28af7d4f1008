/** When a scheduler makes runs of due tasks, and who has to wake it for that. */

/** Occurrences are staged this much before their instant, */
export const STAGE_AHEAD_MS = 1_000;
/** and where many are due at once up to this, so that all of them stand by then. */
export const HERD_AHEAD_MS = 10_000;
/** Tasks that a pass of a scheduler stages at most, */
export const STAGE_BATCH = 1_000;
/** and how long it may take, on a machine that has other things to do. */
const BATCH_MS = 250;
/** Nobody need count more tasks than can be staged in the longest time ahead. */
export const LARGEST_HERD = ((HERD_AHEAD_MS - STAGE_AHEAD_MS) / BATCH_MS) * STAGE_BATCH;
/**
 * Staging sleeps no longer: whoever made something due may have died before it could ring. Where a scheduler has nothing to
 * do it sleeps longer, but then its look each second sees what comes to be due.
 */
export const MAX_SLEEP_MS = 5_000;

/** Twice as long as it may take a scheduler to look by itself, and as it stages ahead. */
const FOUND_IN_TIME_MS = 2 * (MAX_SLEEP_MS + STAGE_AHEAD_MS);

/** How long before its instant an occurrence is staged, where so many tasks are due within `HERD_AHEAD_MS`. */
export const decideStageAheadMs = (dueTasks: number): number =>
  Math.min(STAGE_AHEAD_MS + Math.floor(dueTasks / STAGE_BATCH) * BATCH_MS, HERD_AHEAD_MS);

const DAY_MS = 86_400_000;

/**
 * The same where runs are counted by the day (UTC): what fires on the next day begins it, and not more than a second early.
 * Until then no more is staged than what fires on this one.
 */
export const stayWithinDay = (aheadMs: number, now: Date): number =>
  Math.max(STAGE_AHEAD_MS, Math.min(aheadMs, DAY_MS - 1 - (now.getTime() % DAY_MS)));

/** Whether a scheduler has to be woken for a task's new instant; it finds one that is farther off by itself. */
export const needsWaking = (nextRunAt: Date | null, now: Date): boolean =>
  nextRunAt === null || nextRunAt.getTime() - now.getTime() < FOUND_IN_TIME_MS;
