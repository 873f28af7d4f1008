/** What each role counts. One registry a role, so that several roles may share a process. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

const LATENESS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
];
const DURATION_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600];

export function createRegistry(role: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ role });
  collectDefaultMetrics({ register: registry });
  return registry;
}

export function createApiMetrics(registry: Registry) {
  const registers = [registry];
  return {
    requests: new Counter({
      name: "bellhop_api_requests_total",
      help: "API requests by method and status.",
      labelNames: ["method", "status"] as const,
      registers,
    }),
  };
}

export function createSchedulerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    staged: new Counter({
      name: "bellhop_runs_staged_total",
      help: "Runs staged for their instant.",
      registers,
    }),
    retried: new Counter({
      name: "bellhop_retries_queued_total",
      help: "Retries queued for their instant.",
      registers,
    }),
    rung: new Counter({ name: "bellhop_bells_rung_total", help: "Bells sent to the queue.", registers }),
    rerung: new Counter({
      name: "bellhop_bells_rerung_total",
      help: "Bells sent again for overdue runs.",
      registers,
    }),
    rescued: new Counter({
      name: "bellhop_runs_rescued_total",
      help: "Runs taken from lost workers.",
      registers,
    }),
  };
}

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

export type ApiMetrics = ReturnType<typeof createApiMetrics>;
export type SchedulerMetrics = ReturnType<typeof createSchedulerMetrics>;
export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>;
