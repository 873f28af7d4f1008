/** What a scheduler counts. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { SKIP_REASONS } from "../../domain/skipped.ts";
import { STEP_SECONDS } from "./buckets.ts";
import { createKnownCounter, seriesOf } from "./known-counter.ts";
import { createRunEndMetrics } from "./run-ends.ts";

export function createSchedulerMetrics(registry: Registry) {
  const registers = [registry];
  const rescued = createKnownCounter(
    {
      name: "bellhop_runs_rescued_total",
      help: "Runs taken from lost workers, by what became of them.",
      registers,
    },
    seriesOf("state", ["scheduled", "dead", "failed", "cancelled"]),
  );
  return {
    rescued,
    ...createRunEndMetrics(registry),
    staged: new Counter({
      name: "bellhop_runs_staged_total",
      help: "Runs staged for their instant.",
      registers,
    }),
    skipped: createKnownCounter(
      {
        name: "bellhop_occurrences_skipped_total",
        help: "Instants of schedules that a scheduler skipped, by why: each is told of by a run in state skipped.",
        registers,
      },
      seriesOf("reason", SKIP_REASONS),
    ),
    expectationsMissed: createKnownCounter(
      {
        name: "bellhop_expectations_missed_total",
        help: "Occurrences that did not succeed by when their tasks expect it, by cause: a run did not, or none was made.",
        registers,
      },
      seriesOf("cause", ["run", "unfired"]),
    ),
    overruns: new Counter({
      name: "bellhop_runs_overran_total",
      help: "Runs of tasks with an expectation that outlasted their cadence.",
      registers,
    }),
    retried: new Counter({
      name: "bellhop_retries_queued_total",
      help: "Retries queued for their instant.",
      registers,
    }),
    rerung: new Counter({
      name: "bellhop_bells_rerung_total",
      help: "Bells sent again for overdue runs.",
      registers,
    }),
    permitCorrections: new Counter({
      name: "bellhop_permit_corrections_total",
      help: "Limits whose count of permits was wrong and was corrected: after an upgrade, or a fault.",
      registers,
    }),
    stageSeconds: new Histogram({
      name: "bellhop_stage_duration_seconds",
      help: "Duration of a pass that stages what is due.",
      buckets: STEP_SECONDS,
      registers,
    }),
    stagedAt: new Gauge({
      name: "bellhop_stage_last_success_timestamp_seconds",
      help: "When a pass that stages what is due last came to its end, in seconds since 1970.",
      registers,
    }),
    stageErrors: new Counter({
      name: "bellhop_stage_errors_total",
      help: "Passes that failed.",
      registers,
    }),
    jobSeconds: new Histogram({
      name: "bellhop_job_duration_seconds",
      help: "Duration of a background job's pass, failed ones too.",
      labelNames: ["name"] as const,
      buckets: STEP_SECONDS,
      registers,
    }),
    jobErrors: new Counter({
      name: "bellhop_job_errors_total",
      help: "Passes of a background job that failed.",
      labelNames: ["name"] as const,
      registers,
    }),
    jobRestSeconds: new Gauge({
      name: "bellhop_job_rest_seconds",
      help: "How long a background job rests after its last pass.",
      labelNames: ["name"] as const,
      registers,
    }),
    jobDoneAt: new Gauge({
      name: "bellhop_job_last_success_timestamp_seconds",
      help: "When a background job last passed, or began to be run, in seconds since 1970.",
      labelNames: ["name"] as const,
      registers,
    }),
  };
}

export type SchedulerMetrics = ReturnType<typeof createSchedulerMetrics>;
