/** After attempts are recorded: logs what was dropped, and counts what became of their runs. */
import type { EndConsumer } from "../core/run-ends/run-ends.ts";
import type { EndedRun, EndState } from "../core/store/runs/end.ts";
import type { FinishReport, TriedAttempt } from "../core/store/runs/finish.ts";
import type { Logger } from "../core/telemetry/log.ts";
import { countEach } from "../core/telemetry/metrics/known-counter.ts";
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
    const made: MadeAttempt[] = [];
    for (const ended of runs) {
      if (ended.cause !== "worker" || !isAttempt(ended)) continue;
      made.push({ ended, inWork: parts.running.find({ id: ended.runId, claimNo: ended.claimNo }) });
    }
    countMade(parts, made);
  };
  return { name: "count attempts", final: count, dead: count, scheduled: count, givenBack: null };
}

interface MadeAttempt {
  ended: AttemptEnd;
  inWork: ReturnType<AfterRecordingParts["running"]["find"]>;
}

function countMade({ metrics, log }: AfterRecordingParts, made: MadeAttempt[]): void {
  countEach(metrics.attempts, made, ({ ended: { type, state }, inWork }) => ({
    ...{ type, way: inWork?.isDirect ? ("direct" as const) : ("queue" as const), state },
  }));
  const ofFunctions: { function: string; state: AttemptEnd["state"] }[] = [];
  for (const { ended, inWork } of made) {
    const { runId: id, taskId, attempt, type, state, error, startedAt, endedAt } = ended;
    const facts = runFields({ id, taskId, attempt }, inWork?.span ?? NO_SPAN);
    log.debug({ ...facts, state, code: error?.code }, "attempt recorded");
    const seconds = (endedAt.getTime() - (startedAt ?? endedAt).getTime()) / 1_000;
    metrics.duration.observe({ type }, seconds);
    const spec = inWork?.run.spec;
    if (spec?.type !== "function") continue;
    const label = metrics.functionLabel(spec.function);
    ofFunctions.push({ function: label, state });
    metrics.functionDuration.observe({ function: label }, seconds);
  }
  countEach(metrics.functionAttempts, ofFunctions, (labels) => labels);
}
