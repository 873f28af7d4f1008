/** The job that measures how much data namespaces store, if that is limited. */
import { listFull, measureStoredBytes } from "../core/store/stored-bytes.ts";
import { type Job, type JobContext, PassedOver } from "./job.ts";

export const MEASURE_MS = 10_000;
/** Of days that have not been measured, or not for long, in one pass. */
const BUDGET_MS = 500;
/** To what a pass took, and to what a namespace took: each has an eleventh of one connection's time. */
const REST_TO_WORK = 10;
/** A little less than there is between two passes, so that a namespace is due when the next one comes. */
const LEAST_REST_MS = MEASURE_MS - 1_000;

/**
 * How long to sleep after it; after one that failed it rests as long. Whoever makes runs hears of namespaces that have become
 * full, or are no longer.
 */
export function createMeasuring(): Job["run"] {
  let known: ReadonlySet<string> = new Set();
  /** After one that failed, for which the job comes again too soon. */
  let restUntilMs = Number.NEGATIVE_INFINITY;

  async function tellFull({ store, notifier }: JobContext): Promise<void> {
    const full = new Set(await listFull(store));
    const changed = [...full, ...known].filter((id) => !full.has(id) || !known.has(id));
    if (changed.length > 0) notifier.notify("bellhop_keys", changed);
    known = full;
  }

  return async (context, _backoff, stopping) => {
    const { store, retentionDays, clock } = context;
    const nowMs = () => clock.steadyMs();
    const beganMs = nowMs();
    if (beganMs < restUntilMs) return new PassedOver(restUntilMs - beganMs);
    const restMs = (tookMs: number) => Math.max(LEAST_REST_MS, REST_TO_WORK * tookMs);
    const restOfPassMs = () => Math.max(MEASURE_MS, REST_TO_WORK * (nowMs() - beganMs));
    try {
      await measureStoredBytes(store, { retentionDays, budgetMs: BUDGET_MS, restMs, nowMs, stopping });
    } catch (error) {
      restUntilMs = nowMs() + restOfPassMs();
      throw error;
    } finally {
      await tellFull(context);
    }
    return restOfPassMs();
  };
}
