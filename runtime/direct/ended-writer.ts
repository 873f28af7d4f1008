import type { Store } from "../../core/store/database.ts";
import { type FinishedDirectRun, recordDirectRuns } from "../../core/store/runs/direct.ts";
import type { FinishReport } from "../../core/store/runs/finish.ts";

/** Writes runs that ended unseen. One of which a write failed may be there all the same: it is looked for first. */
export function createEndedWriter(
  store: Store,
  workerId: string,
): (runs: FinishedDirectRun[]) => Promise<FinishReport> {
  const uncertain = new Set<string>();
  return async (runs) => {
    const isAgain = uncertain.size > 0 && runs.some(({ runId }) => uncertain.has(runId));
    try {
      const report = await recordDirectRuns(store, workerId, runs, { isAgain });
      if (isAgain) for (const { runId } of runs) uncertain.delete(runId);
      return report;
    } catch (error) {
      for (const { runId } of runs) uncertain.add(runId);
      throw error;
    }
  };
}
