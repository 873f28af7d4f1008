/** How far ahead a scheduler stages: farther where many tasks are due at once. */
import type { Clock } from "../core/clock.ts";
import {
  decideStageAheadMs,
  HERD_AHEAD_MS,
  LARGEST_HERD,
  STAGE_AHEAD_MS,
  stayWithinDay,
} from "../core/domain/staging.ts";
import type { DailyLimits } from "../core/store/daily-limits.ts";
import type { Store } from "../core/store/database.ts";
import { countDueTasks } from "../core/store/tasks/count-due.ts";

/** Passes may come one after another; a herd is seen in time if it is looked for as often as this. */
const COUNT_EVERY_MS = 1_000;

export interface Ahead {
  /** How far ahead of its instant a task is staged. */
  aheadMs: number;
  /** For so long: a count of a moment ago may have missed a herd that was made since. */
  goodForMs: number;
}

/** What holds where few tasks are due. */
export const FEW_DUE: Ahead = { aheadMs: STAGE_AHEAD_MS, goodForMs: Number.POSITIVE_INFINITY };

/** Decides it for a pass that begins. */
export function createStageAhead(
  store: Store,
  clock: Pick<Clock, "now" | "steadyMs">,
  { isAny: hasDailyLimits }: Pick<DailyLimits, "isAny">,
): () => Promise<Ahead> {
  let dueTasks = 0;
  let countedMs = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = clock.now();
    const nowMs = clock.steadyMs();
    const ageMs = nowMs - countedMs;
    const isCounted = ageMs >= COUNT_EVERY_MS;
    if (isCounted) {
      dueTasks = await countDueTasks(store, new Date(now.getTime() + HERD_AHEAD_MS), LARGEST_HERD);
      countedMs = nowMs;
    }
    const aheadMs = decideStageAheadMs(dueTasks);
    return {
      aheadMs: hasDailyLimits() ? stayWithinDay(aheadMs, now) : aheadMs,
      goodForMs: isCounted ? Number.POSITIVE_INFINITY : COUNT_EVERY_MS - ageMs,
    };
  };
}
