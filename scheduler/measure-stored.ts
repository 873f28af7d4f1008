/** The job that measures how much namespaces store, where that is limited. */
import { measureStoredBytes } from "../core/store/stored-bytes.ts";
import type { JobContext } from "./job.ts";

export const MEASURE_MS = 10_000;
/** Of days that have not been measured, or not for long, of each namespace in one pass. */
const BUDGET_MS = 500;
/** To what a pass took: it has an eleventh of one connection's time. */
const REST_TO_WORK = 10;

/** How long to sleep after it. */
export async function measureStored(
  { store, retentionDays, clock }: JobContext,
  stopping: AbortSignal,
): Promise<number> {
  const beganMs = clock.steadyMs();
  const nowMs = () => clock.steadyMs();
  await measureStoredBytes(store, { retentionDays, budgetMs: BUDGET_MS, nowMs, stopping });
  return Math.max(MEASURE_MS, REST_TO_WORK * (clock.steadyMs() - beganMs));
}
