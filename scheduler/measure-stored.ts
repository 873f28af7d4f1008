/** The job that measures how much namespaces store, where that is limited. */
import { listFull, measureStoredBytes } from "../core/store/stored-bytes.ts";
import type { Job } from "./job.ts";

export const MEASURE_MS = 10_000;
/** Of days that have not been measured, or not for long, of each namespace in one pass. */
const BUDGET_MS = 500;
/** To what a pass took: it has an eleventh of one connection's time. */
const REST_TO_WORK = 10;

/** How long to sleep after it. Whoever makes runs hears of namespaces that have become full, or are no longer. */
export function createMeasuring(): Job["run"] {
  let known: ReadonlySet<string> = new Set();
  return async ({ store, retentionDays, clock, notifier }, _backoff, stopping) => {
    const beganMs = clock.steadyMs();
    const nowMs = () => clock.steadyMs();
    await measureStoredBytes(store, { retentionDays, budgetMs: BUDGET_MS, nowMs, stopping });
    const full = new Set(await listFull(store));
    const changed = [...full, ...known].filter((id) => !full.has(id) || !known.has(id));
    if (changed.length > 0) notifier.notify("bellhop_keys", changed);
    known = full;
    return Math.max(MEASURE_MS, REST_TO_WORK * (clock.steadyMs() - beganMs));
  };
}
