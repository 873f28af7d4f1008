/** A worker's statements, timed and counted. */
import type { FinishReport, TriedAttempt } from "../core/store/runs/finish.ts";
import type { WorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import type { ClaimSource } from "./intake.ts";

/** What is claimed because a bell named it. */
type BellClaims = Pick<ClaimSource, "claimRuns" | "findEarlyRuns">;

async function measure<T>(metrics: WorkerMetrics, claim: () => Promise<T>): Promise<T> {
  const done = metrics.claimSeconds.startTimer();
  try {
    return await claim();
  } catch (error) {
    metrics.claimErrors.inc();
    throw error;
  } finally {
    done();
  }
}

export function measureBellClaims(source: BellClaims, metrics: WorkerMetrics): BellClaims {
  return {
    ...source,
    async claimRuns(ids) {
      const runs = await measure(metrics, () => source.claimRuns(ids));
      metrics.claimed.inc({ source: "bells" }, runs.length);
      return runs;
    },
  };
}

export function measureClaims(source: ClaimSource, metrics: WorkerMetrics): ClaimSource {
  return {
    ...source,
    ...measureBellClaims(source, metrics),
    async claimDueRuns(limit, overdueMs) {
      const claim = await measure(metrics, () => source.claimDueRuns(limit, overdueMs));
      metrics.claimed.inc({ source: "table" }, claim.runs.length);
      return claim;
    },
  };
}

/** Failures are counted where they are reported. */
export function measureRecording<A extends TriedAttempt>(
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
