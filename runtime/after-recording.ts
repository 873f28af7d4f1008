/** After attempts are recorded: logs what was dropped, and counts what became of their runs. */
import type { EndConsumer } from "../core/run-ends/run-ends.ts";
import type { EndedRun, EndState } from "../core/store/runs/end.ts";
import type { FinishReport, TriedAttempt } from "../core/store/runs/finish.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { WorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { NO_SPAN } from "../core/telemetry/tracing.ts";
import { runFields } from "./attempt-trace.ts";
import type { RunningAttempt, RunningAttempts } from "./running-attempts.ts";

export interface AfterRecordingParts {
  metrics: WorkerMetrics;
  log: Logger;
  /** The runs whose attempts are in work: until their recording is over. */
  running: {
    find(
      run: Parameters<RunningAttempts["find"]>[0],
    ): Pick<RunningAttempt, "run" | "isDirect" | "span"> | undefined;
  };
}

/** Results of runs that were somebody else's by then. */
export function tellDropped(
  { metrics, log, running }: AfterRecordingParts,
  attempts: TriedAttempt[],
  { recorded }: FinishReport,
): void {
  for (const attempt of attempts) {
    // What was to be completed later may have been by now: its answer is no result.
    if (recorded.has(attempt) || attempt.verdict.state === "deferred") continue;
    const { runId: id, claimNo, taskId, record } = attempt;
    metrics.dropped.inc();
    const span = running.find({ id, claimNo })?.span ?? NO_SPAN;
    const facts = runFields({ id, taskId, attempt: record.attempt }, span);
    log.warn(facts, "a late result was dropped: the run is somebody else's by now");
  }
}

/** What an attempt that counts can lead to. */
type AttemptEnd = EndedRun<Exclude<EndState, "queued" | "expired">>;

/** A worker's own consumer of ends: metrics of the attempts that it made. */
export function countAttempts(parts: AfterRecordingParts): EndConsumer {
  // A run that expired had none.
  const isAttempt = (run: EndedRun): run is AttemptEnd => run.state !== "expired" && run.state !== "queued";
  const count = (runs: EndedRun[]) => {
    for (const run of runs) if (run.cause === "worker" && isAttempt(run)) countOne(parts, run);
  };
  return { name: "count attempts", final: count, dead: count, scheduled: count, givenBack: null };
}

function countOne({ metrics, log, running }: AfterRecordingParts, ended: AttemptEnd): void {
  const { runId: id, claimNo, taskId, attempt, type, state, error, startedAt, endedAt } = ended;
  const found = running.find({ id, claimNo });
  const span = found?.span ?? NO_SPAN;
  const facts = runFields({ id, taskId, attempt }, span);
  log.debug({ ...facts, state, code: error?.code }, "attempt recorded");
  metrics.attempts.inc({ type, way: found?.isDirect ? "direct" : "queue", state });
  const seconds = (endedAt.getTime() - (startedAt ?? endedAt).getTime()) / 1_000;
  metrics.duration.observe({ type }, seconds);
  if (found?.run.spec.type !== "function") return;
  const label = metrics.functionLabel(found.run.spec.function);
  metrics.functionAttempts.inc({ function: label, state });
  metrics.functionDuration.observe({ function: label }, seconds);
}
