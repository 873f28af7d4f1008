/** Once attempts are recorded: everybody who must know. Metrics, the scheduler, callers who wait, the dead-letter topic. */
import type { RunError } from "../core/domain/attempt.ts";
import { unsentLevel } from "../core/queue/bounded-sends.ts";
import type { DeadLetter, QueueTransport } from "../core/queue/transport.ts";
import type { Notifier } from "../core/store/notify.ts";
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import type { FinishedAttempt, FinishReport } from "../core/store/runs/finish.ts";
import { describeFailedRun, type FailedRun } from "../core/telemetry/failed-run.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { WorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { NO_SPAN, type Span } from "../core/telemetry/tracing.ts";
import { runFields } from "./attempt-trace.ts";

export interface AfterRecordingParts {
  metrics: WorkerMetrics;
  notifier: Notifier;
  transport: QueueTransport;
  log: Logger;
  /** The run while this attempt of it is in work: until its recording is over. */
  /** Runs wait for permits of these keys, which were given back. */
  grant(keys: string[]): void;
  find(attempt: FinishedAttempt): { run: ClaimedRun; isDirect: boolean; span: Span } | undefined;
}

export function afterRecording(
  parts: AfterRecordingParts,
  attempts: FinishedAttempt[],
  report: FinishReport,
): void {
  const { metrics, notifier, transport, log } = parts;
  const letters: DeadLetter[] = [];
  let retries = false;
  for (const attempt of attempts) {
    const { runId, taskId, namespaceId, verdict, record } = attempt;
    const span = parts.find(attempt)?.span ?? NO_SPAN;
    const facts = runFields({ id: runId, taskId, attempt: record.attempt }, span);
    if (!report.recorded.has(attempt)) {
      metrics.dropped.inc();
      log.warn(facts, "a late result was dropped: the run is somebody else's by now");
      continue;
    }
    count(parts, attempt);
    log.debug({ ...facts, state: verdict.state, code: record.error?.code }, "attempt recorded");
    if (verdict.state === "scheduled") retries = true;
    if (verdict.state === "failed" || verdict.state === "dead") {
      const failed = toFailedRun(attempt, verdict.error, parts.find(attempt)?.run);
      const { fields, message } = describeFailedRun(failed);
      log.warn({ ...fields, ...span.logFields }, message);
    }
    if (verdict.state === "dead") {
      const { code, message } = verdict.error;
      letters.push({ runId, taskId, namespaceId, error: { code, message }, deadAt: record.finishedAt });
    }
  }
  if (retries) notifier.notify("bellhop_schedule");
  parts.grant(report.wantedKeys);
  if (report.awaited.length > 0) notifier.notify("bellhop_finished", report.awaited);
  transport
    .publishDeadLetters(letters)
    .catch((error) =>
      log[unsentLevel(error)]({ error }, "dead letters were not published; their rows stand"),
    );
}

function toFailedRun(
  { runId, taskId, type, verdict, record }: FinishedAttempt,
  { code }: RunError,
  run: ClaimedRun | undefined,
): FailedRun {
  return {
    ...{ runId, taskId, type, code, attempt: record.attempt, isDead: verdict.state === "dead" },
    function: run?.spec.type === "function" ? run.spec.function : undefined,
    trigger: run?.trigger,
  };
}

function count({ metrics, find }: AfterRecordingParts, attempt: FinishedAttempt): void {
  const { type, verdict, record } = attempt;
  const { state } = verdict;
  const found = find(attempt);
  metrics.attempts.inc({ type, way: found?.isDirect ? "direct" : "queue", state });
  const seconds = (Date.parse(record.finishedAt) - Date.parse(record.startedAt ?? record.finishedAt)) / 1_000;
  metrics.duration.observe({ type }, seconds);
  if (found?.run.spec.type !== "function") return;
  const label = metrics.functionLabel(found.run.spec.function);
  metrics.functionAttempts.inc({ function: label, state });
  metrics.functionDuration.observe({ function: label }, seconds);
}
