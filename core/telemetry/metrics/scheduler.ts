/** What a scheduler counts. */
import { Counter, type Registry } from "prom-client";

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

export type SchedulerMetrics = ReturnType<typeof createSchedulerMetrics>;
