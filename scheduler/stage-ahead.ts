/** How far ahead a scheduler stages: farther where many tasks are due at once. */
import type { Clock } from "../core/clock.ts";
import { decideStageAheadMs, HERD_AHEAD_MS, LARGEST_HERD, STAGE_AHEAD_MS } from "../core/domain/staging.ts";
import type { Store } from "../core/store/database.ts";
import { countDueTasks } from "../core/store/tasks/count-due.ts";

/** Passes may come one after another; a herd is seen in time if it is looked for as often as this. */
const COUNT_EVERY_MS = 1_000;

/** Tells it for a pass that begins. */
export function createStageAhead(
  store: Store,
  clock: Pick<Clock, "now" | "steadyMs">,
): () => Promise<number> {
  let aheadMs = STAGE_AHEAD_MS;
  let countedMs = Number.NEGATIVE_INFINITY;
  return async () => {
    const nowMs = clock.steadyMs();
    if (nowMs - countedMs < COUNT_EVERY_MS) return aheadMs;
    countedMs = nowMs;
    const until = new Date(clock.now().getTime() + HERD_AHEAD_MS);
    aheadMs = decideStageAheadMs(await countDueTasks(store, until, LARGEST_HERD));
    return aheadMs;
  };
}
