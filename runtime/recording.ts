/**
 * How ended attempts get into the table, and who is notified. An attempt: ended → waiting for its batch → recorded, or
 * dropped if its run belongs to another by then; only then are others notified.
 */
import type { Clock } from "../core/clock.ts";
import type { RunEnds } from "../core/run-ends/run-ends.ts";
import type { Store } from "../core/store/database.ts";
import { type FinishedDirectRun, recordDirectRuns } from "../core/store/runs/direct.ts";
import { type FinishReport, finishAttempts, type TriedAttempt } from "../core/store/runs/finish.ts";
import type { WorkerFacts } from "../core/store/workers.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { WorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { tellDropped } from "./after-recording.ts";
import { measureRecording } from "./measured-store.ts";
import { createRecorder } from "./recorder.ts";
import type { RunningAttempts } from "./running-attempts.ts";

export interface RecordingParts {
  facts: WorkerFacts;
  store: Store;
  clock: Clock;
  log: Logger;
  metrics: WorkerMetrics;
  running: RunningAttempts;
  ends: RunEnds;
  /** Whether so many claimed runs that have ended wait for others to be recorded with. */
  wantsMoreEnds?: (ended: number) => boolean;
}

export interface Recording {
  /** Of a run that is in the table as running: what was recorded; undefined: it is somebody else's by now. */
  recordRunning<A extends TriedAttempt>(attempt: A, bytes?: number): Promise<A | undefined>;
  /** Of a direct run that the table does not know: what was recorded; undefined: it was given up. */
  recordUnseen(run: FinishedDirectRun): Promise<FinishedDirectRun | undefined>;
  /** Resolves when nothing waits to be recorded, or to follow from it. */
  flush(): Promise<void>;
}

export function createRecording(parts: RecordingParts): Recording {
  const { facts, store, clock, log, metrics, ends } = parts;
  const on = {
    recorded(attempts: TriedAttempt[], report: FinishReport) {
      tellDropped(parts, attempts, report);
      ends.tell(report.ended);
    },
    failed(error: unknown) {
      metrics.recordingErrors.inc();
      log.error({ error }, "runs could not be recorded; tried again soon");
    },
  };
  const finishing = createRecorder<TriedAttempt>(
    measureRecording((attempts) => finishAttempts(store, facts.id, attempts), metrics),
    clock,
    on,
    parts.wantsMoreEnds,
  );
  const inserting = createRecorder(
    measureRecording((runs: FinishedDirectRun[]) => recordDirectRuns(store, facts.id, runs), metrics),
    clock,
    on,
  );
  return {
    recordRunning: <A extends TriedAttempt>(attempt: A, bytes?: number) =>
      finishing.record(attempt, bytes) as Promise<A | undefined>,
    recordUnseen: (run) => inserting.record(run),
    async flush() {
      await Promise.all([finishing.flush(), inserting.flush()]);
      await ends.flush();
    },
  };
}
