/** What a worker counts. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { DURATION_SECONDS, LATENESS_SECONDS } from "./buckets.ts";

export function createWorkerMetrics(registry: Registry) {
  const registers = [registry];
  const labelNames = ["type", "state"] as const;
  return {
    runs: new Counter({
      name: "bellhop_runs_total",
      help: "Attempts by type and what became of the run.",
      labelNames,
      registers,
    }),
    dropped: new Counter({
      name: "bellhop_results_dropped_total",
      help: "Late results of runs that were rescued meanwhile.",
      registers,
    }),
    running: new Gauge({ name: "bellhop_runs_running", help: "Runs in work.", registers }),
    lateness: new Histogram({
      name: "bellhop_run_lateness_seconds",
      help: "From the scheduled instant to the start of the first attempt.",
      buckets: LATENESS_SECONDS,
      registers,
    }),
    duration: new Histogram({
      name: "bellhop_attempt_duration_seconds",
      help: "Duration of an attempt.",
      labelNames: ["type"] as const,
      buckets: DURATION_SECONDS,
      registers,
    }),
  };
}

export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>;
