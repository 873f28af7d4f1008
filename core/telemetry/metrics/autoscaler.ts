/** What an autoscaler counts. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { STEP_SECONDS } from "./buckets.ts";
import { createKnownCounter, seriesOf } from "./known-counter.ts";

export function createAutoscalerMetrics(registry: Registry) {
  const registers = [registry];
  const decisions = createKnownCounter(
    {
      name: "bellhop_autoscaler_decisions_total",
      help: "Decisions that changed the number of workers, by direction: up, down.",
      registers,
    },
    seriesOf("direction", ["up", "down"]),
  );
  return {
    decisions,
    workers: new Gauge({
      name: "bellhop_autoscaler_workers",
      help: "Worker processes of this autoscaler by state: starting, up, retiring.",
      labelNames: ["state"] as const,
      registers,
    }),
    wanted: new Gauge({
      name: "bellhop_autoscaler_workers_wanted",
      help: "Worker processes this autoscaler wants.",
      registers,
    }),
    max: new Gauge({
      name: "bellhop_autoscaler_workers_max",
      help: "The most worker processes this autoscaler wants at once.",
      registers,
    }),
    demand: new Gauge({
      name: "bellhop_autoscaler_demand_runs",
      help: "What wants a slot, by kind: runs that are due, running (rows or slots taken, whichever is more), callers that wait for a worker, upcoming.",
      labelNames: ["kind"] as const,
      registers,
    }),
    panic: new Gauge({
      name: "bellhop_autoscaler_panic",
      help: "1 while more work than slots was seen within the stable window, and nothing scales down.",
      registers,
    }),
    starts: new Counter({
      name: "bellhop_autoscaler_worker_starts_total",
      help: "Worker processes that were started and said that they run.",
      registers,
    }),
    crashes: new Counter({
      name: "bellhop_autoscaler_worker_crashes_total",
      help: "Worker processes that ended although nobody asked them to.",
      registers,
    }),
    startSeconds: new Histogram({
      name: "bellhop_autoscaler_worker_start_seconds",
      help: "From a worker's process being made to its word that it runs.",
      buckets: STEP_SECONDS,
      registers,
    }),
    failures: new Counter({
      name: "bellhop_autoscaler_look_failures_total",
      help: "Looks at the demand that failed; the workers stayed as they were.",
      registers,
    }),
  };
}

export type AutoscalerMetrics = ReturnType<typeof createAutoscalerMetrics>;
