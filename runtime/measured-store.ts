/** A worker's statements, timed and counted. */
import type { FinishedAttempt, FinishReport } from "../core/store/runs/finish.ts";
import type { WorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import type { ClaimSource } from "./intake.ts";

/** What is claimed because a bell named it. */
type BellClaims = Pick<ClaimSource, "claimRuns" | "findEarlyRuns">;

async function measure<T extends unknown[]>(
  metrics: WorkerMetrics,
  source: "bells" | "table",
  claim: () => Promise<T>,
): Promise<T> {
  const done = metrics.claimSeconds.startTimer();
  try {
    const claimed = await claim();
    metrics.claimed.inc({ source }, claimed.length);
    return claimed;
  } catch (error) {
    metrics.claimErrors.inc();
    throw error;
  } finally {
    done();
  }
}

export function measureBellClaims(source: BellClaims, metrics: WorkerMetrics): BellClaims {
  return { ...source, claimRuns: (ids) => measure(metrics, "bells", () => source.claimRuns(ids)) };
}

export function measureClaims(source: ClaimSource, metrics: WorkerMetrics): ClaimSource {
  return {
    ...source,
    ...measureBellClaims(source, metrics),
    claimDueRuns: (limit, overdueMs) =>
      measure(metrics, "table", () => source.claimDueRuns(limit, overdueMs)),
  };
}

/** Failures are counted where they are reported. */
export function measureRecording<A extends FinishedAttempt>(
  write: (attempts: A[]) => Promise<FinishReport>,
  { recordingSeconds }: WorkerMetrics,
): (attempts: A[]) => Promise<FinishReport> {
  return async (attempts) => {
    const done = recordingSeconds.startTimer();
    try {
      return await write(attempts);
    } finally {
      done();
    }
  };
}
